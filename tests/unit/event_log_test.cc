#include "io/event_log.h"

#include <map>
#include <set>

#include "unit/catch.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

using Fields = std::map<std::string, std::string>;

Event event_of(EventKind kind, const std::string& detail = "", Outcome outcome = Outcome::kOk) {
  Event event;
  event.kind = kind;
  event.task = "kg_decay";
  event.run = RunId{7};
  event.outcome = outcome;
  event.duration = 1500ms;
  event.delay = kind == EventKind::kRunEnded ? Duration::zero() : 4s;
  event.detail = detail;
  if (kind == EventKind::kLeaseGained || kind == EventKind::kLeaseRecreated) event.epoch = 9;
  return event;
}

bool has_delay(EventKind kind) {
  return kind == EventKind::kWorkerEnded || kind == EventKind::kLeaseRequestFailed || kind == EventKind::kLeaseHoldOff;
}

// The end of that attempt, after which there is another.
Event attempt_of(std::uint32_t attempt, Duration delay, Outcome outcome, const std::string& detail) {
  Event event = event_of(EventKind::kRunEnded, detail, outcome);
  event.attempt = attempt;
  event.delay = delay;
  return event;
}

struct Expected {
  Event event;
  Priority priority;
  std::string message;
};

std::vector<Expected> all_kinds() {
  using K = EventKind;
  using P = Priority;
  return {
      {event_of(K::kRunStarted), P::kDebug, "kg_decay: started"},
      {event_of(K::kTaskHeld, "kg is unreachable"), P::kInfo, "kg_decay: held back: kg is unreachable"},
      {event_of(K::kStopEscalated), P::kWarning, "kg_decay: has not ended on TERM, its process group gets KILL"},
      {event_of(K::kOutputAbandoned), P::kWarning,
       "kg_decay: has ended, but a process it left behind holds its output open; what that still writes is not read"},
      {event_of(K::kWorkerStarted), P::kInfo, "kg_decay: supervised worker started"},
      {event_of(K::kLeaseGained), P::kNotice, "the lease is held: this node is the leader, epoch 9"},
      {event_of(K::kLeaseGained, "standalone"), P::kNotice,
       "no Redis is configured: this node is the permanent leader"},
      {event_of(K::kLeaseLost, "it expired"), P::kWarning,
       "the lease is gone (it expired): stopping the workers that depend on it"},
      {event_of(K::kLeaseHeldByOther, "node-2"), P::kInfo, "the lease is held by node-2: this node follows"},
      {event_of(K::kLeaseRequestFailed, "timeout"), P::kWarning,
       "the lease could not be asked for: timeout; next try in 4 s"},
      {event_of(K::kLeaseReleased), P::kInfo, "the lease is released"},
      {event_of(K::kLeaseHoldOff, "Redis has lost the lease's data"), P::kNotice,
       "nobody holds the lease, but this node waits 4 s before it takes it, until any worker of the last term is dead: "
       "Redis has lost the lease's data"},
      {event_of(K::kLeaseRecreated), P::kWarning,
       "the lease's key had vanished from Redis; this node still leads and has set it again"},
      {event_of(K::kDependencyDown, "refused"), P::kWarning,
       "kg_decay is unreachable: refused; tasks that need it wait"},
      {event_of(K::kDependencyUp), P::kNotice, "kg_decay is reachable"},
      {event_of(K::kLastEndInFuture), P::kWarning,
       "kg_decay: its remembered last end lies in the future (the clock was set back?); "
       "it runs after its initial delay instead"},
      {event_of(K::kStopping, "SIGTERM"), P::kNotice, "stopping on SIGTERM"},
      {event_of(K::kStopHurried, "SIGINT"), P::kWarning, "stopping at once on a second SIGINT"},
      {event_of(K::kStopOverdue, "kg_decay"), P::kError, "the stop deadline has passed; left behind: kg_decay"},
      {event_of(K::kStopOverdue), P::kError, "the stop deadline has passed; left behind: nothing but the lease"},
      {event_of(K::kStopped), P::kNotice, "stopped"},
      {event_of(K::kRunEnded, "", Outcome::kOk), P::kInfo, "kg_decay: ok after 1.5 s"},
      {event_of(K::kRunEnded, "", Outcome::kSkipped), P::kDebug, "kg_decay: skipped, it had nothing to do after 1.5 s"},
      {event_of(K::kRunEnded, "exit code 1", Outcome::kFailed), P::kError,
       "kg_decay: failed after 1.5 s: exit code 1; runs again after its interval"},
      {event_of(K::kRunEnded, "ran longer than 1s", Outcome::kTimedOut), P::kError,
       "kg_decay: stopped after 1.5 s: it ran longer than 1s; runs again after its interval"},
      {event_of(K::kRunEnded, "shutdown", Outcome::kCancelled), P::kInfo, "kg_decay: stopped after 1.5 s: shutdown"},
      {event_of(K::kRunEnded, "x: not found", Outcome::kSpawnFailed), P::kError,
       "kg_decay: could not be started: x: not found; runs again after its interval"},
      {attempt_of(1, 90s, Outcome::kFailed, "exit code 1"), P::kError,
       "kg_decay: failed after 1.5 s: exit code 1; attempt 2 in 90 s"},
      {attempt_of(2, 90s, Outcome::kTimedOut, "ran longer than 1s"), P::kError,
       "kg_decay: stopped after 1.5 s: it ran longer than 1s; attempt 3 in 90 s"},
      {attempt_of(1, 90s, Outcome::kSpawnFailed, "x: not found"), P::kError,
       "kg_decay: could not be started: x: not found; attempt 2 in 90 s"},
      {attempt_of(3, {}, Outcome::kFailed, "exit code 1"), P::kError,
       "kg_decay: failed after 1.5 s: exit code 1; that was attempt 3; runs again after its interval"},
      {attempt_of(2, {}, Outcome::kOk, ""), P::kInfo, "kg_decay: ok after 1.5 s"},
      {event_of(K::kWorkerEnded, "", Outcome::kOk), P::kInfo, "kg_decay: ended after 1.5 s, starts again in 4 s"},
      {event_of(K::kWorkerEnded, "", Outcome::kSkipped), P::kInfo, "kg_decay: ended after 1.5 s, starts again in 4 s"},
      {event_of(K::kWorkerEnded, "SIGSEGV", Outcome::kFailed), P::kError,
       "kg_decay: crashed after 1.5 s (SIGSEGV), starts again in 4 s"},
      {event_of(K::kWorkerEnded, "SIGSEGV", Outcome::kTimedOut), P::kError,
       "kg_decay: crashed after 1.5 s (SIGSEGV), starts again in 4 s"},
      {event_of(K::kWorkerEnded, "the lease was lost", Outcome::kCancelled), P::kInfo,
       "kg_decay: stopped after 1.5 s: the lease was lost"},
      {event_of(K::kWorkerEnded, "x: not found", Outcome::kSpawnFailed), P::kError,
       "kg_decay: could not be started: x: not found, starts again in 4 s"},
  };
}

Fields fields_of(const LogRecord& record) {
  Fields fields(record.fields.begin(), record.fields.end());
  CHECK(fields.size() == record.fields.size());
  return fields;
}

}  // namespace

TEST_CASE("every event is one sentence of the right priority, with its fields", "[event_log]") {
  std::set<EventKind> kinds;
  for (const Expected& expected : all_kinds()) {
    const Event& event = expected.event;
    kinds.insert(event.kind);
    const LogRecord record = log_record(event, "run-7");
    CHECK(record.message == expected.message);
    CHECK(record.priority == expected.priority);

    Fields fields{{"STARGAZER_EVENT", name_of(event.kind)}, {"TASK", "kg_decay"}, {"RUN_ID", "run-7"}};
    const bool ended = event.kind == EventKind::kRunEnded || event.kind == EventKind::kWorkerEnded;
    if (ended) fields["OUTCOME"] = name_of(event.outcome);
    if (ended) fields["DURATION_MS"] = "1500";
    if (has_delay(event.kind)) fields["DELAY_MS"] = "4000";
    if (event.kind == EventKind::kRunEnded && event.delay != Duration::zero()) fields["DELAY_MS"] = "90000";
    if (event.attempt != 0) fields["ATTEMPT"] = std::to_string(event.attempt);
    if (event.epoch != 0) fields["EPOCH"] = "9";
    if (!event.detail.empty()) fields["REASON"] = event.detail;
    CHECK(fields_of(record) == fields);
  }
  CHECK(kinds.size() == static_cast<std::size_t>(EventKind::kStopped) + 1);
}

TEST_CASE("an event without task and run has no such fields", "[event_log]") {
  Event event;
  event.kind = EventKind::kStopped;
  CHECK(fields_of(log_record(event, "")) == Fields{{"STARGAZER_EVENT", "stopped"}});
}

TEST_CASE("a worker's line is the message as it is, with where it came from", "[event_log]") {
  const LogRecord out =
      log_record(OutputLine{RunId{1}, "run-1", "kg_decay", OutputStream::kStdout, "a\x1b\xff", false});
  CHECK(out.message == "a\x1b\xff");
  CHECK(out.priority == Priority::kInfo);
  CHECK(fields_of(out) == Fields{{"TASK", "kg_decay"}, {"RUN_ID", "run-1"}, {"STREAM", "stdout"}});

  const LogRecord cut = log_record(OutputLine{RunId{1}, "run-1", "kg_decay", OutputStream::kStderr, "long", true});
  CHECK(cut.message == "long […cut]");
  CHECK(fields_of(cut) == Fields{{"TASK", "kg_decay"}, {"RUN_ID", "run-1"}, {"STREAM", "stderr"}, {"CUT", "1"}});
}
