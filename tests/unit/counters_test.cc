#include "core/counters.h"

#include "unit/catch.h"

using namespace stargazer;

namespace {

Event started(const std::string& task) {
  Event event;
  event.kind = EventKind::kWorkerStarted;
  event.task = task;
  return event;
}

Event ended(const std::string& task, Outcome outcome, const std::string& detail = "", const std::string& error = "") {
  Event event;
  event.kind = EventKind::kWorkerEnded;
  event.task = task;
  event.outcome = outcome;
  event.detail = detail;
  event.error = error;
  return event;
}

}  // namespace

TEST_CASE("each start of a worker is counted by its name", "[counters]") {
  Counters counters;
  CHECK(counters.count(started("a"))->count == 1);
  CHECK(counters.count(started("b"))->count == 1);
  const std::optional<Counted> again = counters.count(started("a"));
  REQUIRE(again.has_value());
  CHECK(again->name == "task_started");
  CHECK(again->task_name == "a");
  CHECK(again->error.empty());
  CHECK(again->count == 2);
}

TEST_CASE("a crash is counted by the kind of its error, or its cause", "[counters]") {
  Counters counters;
  CHECK(counters.count(ended("a", Outcome::kFailed, "no channel", "KeyError"))->error == "KeyError");
  CHECK(counters.count(ended("a", Outcome::kFailed, "another channel", "KeyError"))->count == 2);
  CHECK(counters.count(ended("a", Outcome::kFailed, "killed by signal 9"))->error == "killed by signal 9");
  CHECK(counters.count(ended("a", Outcome::kSpawnFailed, "x: No such file"))->name == "task_crash");
}

TEST_CASE("what is no start and no crash is not counted", "[counters]") {
  Counters counters;
  for (const Outcome outcome : {Outcome::kOk, Outcome::kSkipped, Outcome::kCancelled})
    CHECK_FALSE(counters.count(ended("a", outcome)).has_value());
  Event run = ended("a", Outcome::kFailed, "exit code 1");
  run.kind = EventKind::kRunEnded;
  CHECK_FALSE(counters.count(run).has_value());
}

TEST_CASE("errors without number do not make counters without number", "[counters]") {
  Counters counters;
  for (std::size_t number = 0; number < Counters::kSeriesMax; ++number)
    CHECK(counters.count(ended("a", Outcome::kFailed, "", "E" + std::to_string(number)))->count == 1);
  CHECK(counters.count(ended("a", Outcome::kFailed, "", "E0"))->count == 2);
  CHECK(counters.count(ended("a", Outcome::kFailed, "", "new"))->error == "other");
  CHECK(counters.count(ended("a", Outcome::kFailed, "", "newer"))->count == 2);
  CHECK(counters.count(started("a"))->count == 1);
  CHECK(counters.count(ended("b", Outcome::kFailed, std::string(1000, 'x')))->error == "other");
}
