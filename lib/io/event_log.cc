#include "io/event_log.h"

#include <cstdio>

namespace stargazer {
namespace {

struct Line {
  Priority priority;
  std::string message;
};

std::string milliseconds(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

// "ValueError: no such channel".
std::string cause_of(const Event& event) {
  return event.error.empty() ? event.detail : event.error + ": " + event.detail;
}

// What comes after a run that failed.
std::string next_of(const Event& event) {
  if (event.delay != Duration::zero())
    return "; attempt " + std::to_string(event.attempt + 1) + " in " + approximate_duration(event.delay);
  const std::string last = event.attempt > 1 ? "; that was attempt " + std::to_string(event.attempt) : "";
  return last + "; runs again after its interval";
}

Line run_ended(const Event& event) {
  const std::string after = " after " + approximate_duration(event.duration);
  switch (event.outcome) {
    case Outcome::kOk: return {Priority::kInfo, event.task + ": ok" + after};
    case Outcome::kSkipped:
      return {Priority::kDebug, event.task + ": skipped, it had nothing to do" + after +
                                    (event.detail.empty() ? "" : ": " + event.detail)};
    case Outcome::kCancelled: return {Priority::kInfo, event.task + ": stopped" + after + ": " + event.detail};
    case Outcome::kTimedOut:
      return {Priority::kError, event.task + ": stopped" + after + ": it " + event.detail + next_of(event)};
    case Outcome::kSpawnFailed:
      return {Priority::kError, event.task + ": could not be started: " + event.detail + next_of(event)};
    case Outcome::kFailed: break;
  }
  return {Priority::kError, event.task + ": failed" + after + ": " + cause_of(event) + next_of(event)};
}

Line worker_ended(const Event& event) {
  const std::string after = " after " + approximate_duration(event.duration);
  const std::string next = ", starts again in " + approximate_duration(event.delay);
  switch (event.outcome) {
    case Outcome::kOk:
    case Outcome::kSkipped: return {Priority::kInfo, event.task + ": ended" + after + next};
    case Outcome::kCancelled: return {Priority::kInfo, event.task + ": stopped" + after + ": " + event.detail};
    case Outcome::kSpawnFailed:
      return {Priority::kError, event.task + ": could not be started: " + event.detail + next};
    case Outcome::kTimedOut:
    case Outcome::kFailed: break;
  }
  return {Priority::kError, event.task + ": crashed" + after + " (" + cause_of(event) + ")" + next};
}

Line lease_gained(const Event& event) {
  if (event.detail == "standalone") {
    return {Priority::kNotice, "no Redis is configured: this node is the permanent leader"};
  }
  return {Priority::kNotice, "the lease is held: this node is the leader, epoch " + std::to_string(event.epoch)};
}

Line line_of(const Event& event) {
  switch (event.kind) {
    case EventKind::kRunStarted: return {Priority::kDebug, event.task + ": started"};
    case EventKind::kRunEnded: return run_ended(event);
    case EventKind::kTaskHeld: return {Priority::kInfo, event.task + ": held back: " + event.detail};
    case EventKind::kStopEscalated:
      return {Priority::kWarning, event.task + ": has not ended on TERM, its process group gets KILL"};
    case EventKind::kOutputAbandoned:
      return {Priority::kWarning, event.task +
                                      ": has ended, but a process it left behind holds its output open; "
                                      "what that still writes is not read"};
    case EventKind::kWorkerStarted: return {Priority::kInfo, event.task + ": supervised worker started"};
    case EventKind::kWorkerEnded: return worker_ended(event);
    case EventKind::kLeaseGained: return lease_gained(event);
    case EventKind::kLeaseLost:
      return {Priority::kWarning, "the lease is gone (" + event.detail + "): stopping the workers that depend on it"};
    case EventKind::kLeaseHeldByOther:
      return {Priority::kInfo, "the lease is held by " + event.detail + ": this node follows"};
    case EventKind::kLeaseRequestFailed:
      return {Priority::kWarning, "the lease could not be asked for: " + event.detail + "; next try in " +
                                      approximate_duration(event.delay)};
    case EventKind::kLeaseReleased: return {Priority::kInfo, "the lease is released"};
    case EventKind::kLeaseHoldOff:
      return {Priority::kNotice, "nobody holds the lease, but this node waits " + approximate_duration(event.delay) +
                                     " before it takes it, until any worker of the last term is dead: " + event.detail};
    case EventKind::kLeaseRecreated:
      return {Priority::kWarning,
              "the lease's key had vanished from Redis; this node still leads and has set it again"};
    case EventKind::kDependencyDown:
      return {Priority::kWarning, event.task + " is unreachable: " + event.detail + "; tasks that need it wait"};
    case EventKind::kDependencyUp: return {Priority::kNotice, event.task + " is reachable"};
    case EventKind::kLastEndInFuture:
      return {Priority::kWarning, event.task +
                                      ": its remembered last end lies in the future (the clock was set back?); "
                                      "it runs after its initial delay instead"};
    case EventKind::kStopping: return {Priority::kNotice, "stopping on " + event.detail};
    case EventKind::kStopHurried: return {Priority::kWarning, "stopping at once on a second " + event.detail};
    case EventKind::kStopOverdue:
      return {Priority::kError, "the stop deadline has passed; left behind: " +
                                    (event.detail.empty() ? std::string("nothing but the lease") : event.detail)};
    case EventKind::kStopped: return {Priority::kNotice, "stopped"};
  }
  return {Priority::kError, name_of(event.kind)};
}

bool has_duration(EventKind kind) {
  return kind == EventKind::kRunEnded || kind == EventKind::kWorkerEnded;
}

bool has_delay(const Event& event) {
  return event.kind == EventKind::kWorkerEnded || event.kind == EventKind::kLeaseRequestFailed ||
         event.kind == EventKind::kLeaseHoldOff ||
         (event.kind == EventKind::kRunEnded && event.delay != Duration::zero());
}

}  // namespace

LogRecord log_record(const Event& event, const std::string& run_id_text) {
  Line line = line_of(event);
  LogRecord record{line.priority, std::move(line.message), {{"STARGAZER_EVENT", name_of(event.kind)}}};
  if (!event.task.empty()) record.fields.emplace_back("TASK", event.task);
  if (!run_id_text.empty()) record.fields.emplace_back("RUN_ID", run_id_text);
  if (has_duration(event.kind)) {
    record.fields.emplace_back("OUTCOME", name_of(event.outcome));
    record.fields.emplace_back("DURATION_MS", milliseconds(event.duration));
  }
  if (has_delay(event)) record.fields.emplace_back("DELAY_MS", milliseconds(event.delay));
  if (event.attempt != 0) record.fields.emplace_back("ATTEMPT", std::to_string(event.attempt));
  if (event.epoch != 0) record.fields.emplace_back("EPOCH", std::to_string(event.epoch));
  if (!event.error.empty()) record.fields.emplace_back("ERROR", event.error);
  if (!event.detail.empty()) record.fields.emplace_back("REASON", event.detail);
  return record;
}

LogRecord log_record(const OutputLine& line) {
  LogRecord record;
  record.message = std::string(line.text);
  if (line.cut) record.message += " […cut]";
  record.fields = {{"TASK", std::string(line.name)},
                   {"RUN_ID", std::string(line.run_id_text)},
                   {"STREAM", line.stream == OutputStream::kStdout ? "stdout" : "stderr"}};
  if (line.cut) record.fields.emplace_back("CUT", "1");
  return record;
}

}  // namespace stargazer
