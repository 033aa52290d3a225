#include "core/event.h"

#include <set>
#include <string>

#include "unit/catch.h"

using namespace stargazer;

// These words stand in journals and in Redis: changing one breaks whoever searches for it.
TEST_CASE("every outcome has its name", "[event]") {
  const auto [outcome, name] = GENERATE(table<Outcome, std::string>({
      {Outcome::kOk, "ok"},
      {Outcome::kSkipped, "skipped"},
      {Outcome::kFailed, "failed"},
      {Outcome::kTimedOut, "timed_out"},
      {Outcome::kCancelled, "cancelled"},
      {Outcome::kSpawnFailed, "spawn_failed"},
  }));
  CHECK(name_of(outcome) == name);
}

TEST_CASE("every kind of event has its name", "[event]") {
  const auto [kind, name] = GENERATE(table<EventKind, std::string>({
      {EventKind::kRunStarted, "run_started"},
      {EventKind::kRunEnded, "run_ended"},
      {EventKind::kTaskHeld, "task_held"},
      {EventKind::kStopEscalated, "stop_escalated"},
      {EventKind::kOutputAbandoned, "output_abandoned"},
      {EventKind::kWorkerStarted, "worker_started"},
      {EventKind::kWorkerEnded, "worker_ended"},
      {EventKind::kLeaseGained, "lease_gained"},
      {EventKind::kLeaseLost, "lease_lost"},
      {EventKind::kLeaseHeldByOther, "lease_held_by_other"},
      {EventKind::kLeaseRequestFailed, "lease_request_failed"},
      {EventKind::kLeaseReleased, "lease_released"},
      {EventKind::kDependencyDown, "dependency_down"},
      {EventKind::kDependencyUp, "dependency_up"},
      {EventKind::kLastEndInFuture, "last_end_in_future"},
      {EventKind::kStopping, "stopping"},
      {EventKind::kStopHurried, "stop_hurried"},
      {EventKind::kStopOverdue, "stop_overdue"},
      {EventKind::kStopped, "stopped"},
  }));
  CHECK(name_of(kind) == name);
}

TEST_CASE("run ids are ordered as they were given out", "[event]") {
  CHECK(RunId{1} < RunId{2});
  CHECK(std::set<RunId>{{3}, {1}, {3}}.size() == 2);
}
