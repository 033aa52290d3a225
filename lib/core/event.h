// What happened, as values. The core never logs: it returns events, and the daemon prints them, counts them and
// publishes those that SPEC section 6 names. A transcript of the simulator is the same events as text.
#pragma once

#include <cstdint>
#include <string>

#include "core/time.h"

namespace stargazer {

// Names one run of one worker. Counts up from 1 in one life of the daemon and is never used again, unlike a pid.
struct RunId {
  std::uint64_t number = 0;
  auto operator<=>(const RunId&) const = default;
};

// How a run ended.
enum class Outcome : std::uint8_t {
  kOk,           // exit 0
  kSkipped,      // exit 77: nothing to do
  kFailed,       // another exit code, or a signal that the daemon did not send
  kTimedOut,     // stopped because it ran longer than `timeout`
  kCancelled,    // stopped because the daemon stops or the lease was lost
  kSpawnFailed,  // never started; `detail` says why
};

// "ok", "skipped", "failed", "timed_out", "cancelled", "spawn_failed".
const char* name_of(Outcome outcome);

enum class EventKind : std::uint8_t {
  kRunStarted,          // task, run, attempt
  kRunEnded,            // task, run, attempt, outcome, duration, detail = cause unless ok; epoch if run_on = "leader";
                        // delay until the next attempt: 0 = this one was the last, and the interval begins
  kTaskHeld,            // task is due but may not run; detail = why. Once for each hold
  kStopEscalated,       // task, run: TERM was not enough, KILL was sent
  kOutputAbandoned,     // task, run: exited, but a descendant still holds its output; no longer read
  kWorkerStarted,       // supervised worker: task = its name, run
  kWorkerEnded,         // supervised worker: outcome, duration, delay until the next start, detail = cause
  kLeaseGained,         // detail = "" or "standalone"; epoch
  kLeaseLost,           // detail = why; the workers of the lease are being stopped
  kLeaseHeldByOther,    // detail = the holder; once for each holder
  kLeaseRequestFailed,  // detail = cause; delay until the next try
  kLeaseReleased,       // after the last worker had gone
  kLeaseHoldOff,     // a candidate cannot know that the term before has ended: detail = why; delay = how long it waits
  kLeaseRecreated,   // the key had vanished and was set again; epoch
  kDependencyDown,   // task = the dependency's name, detail = cause
  kDependencyUp,     // task = the dependency's name
  kLastEndInFuture,  // task: the remembered end lies in the future and is not used
  kStopping,         // detail = what asked for it
  kStopHurried,      // a second request to stop: every worker is killed
  kStopOverdue,      // the stop deadline has passed; detail = what is left
  kStopped,
};

// "run_started", "run_ended", … : the value of STARGAZER_EVENT in the journal.
const char* name_of(EventKind kind);

// One thing that happened. Which fields are set is said at its kind.
struct Event {
  EventKind kind{};
  Instant at{};
  std::string task;
  RunId run;
  Outcome outcome = Outcome::kOk;
  Duration duration{};
  Duration delay{};
  std::uint64_t epoch = 0;
  std::uint32_t attempt = 0;  // 1, 2, …: of a task, how often it was tried since its interval was over
  std::string detail;
  std::string error;  // kRunEnded, kWorkerEnded: the kind of error that the worker named, such as "ValueError"; or ""
};

}  // namespace stargazer
