// The three seams out of the core and the one way in. Each has one real implementation (lib/io) and one fake
// (tests/sim); a fourth needs a page in docs/decisions.
//
// Whatever happens outside comes back as an Input posted to the supervisor's inbox. No implementation may call the
// core from inside one of these functions.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "core/config.h"
#include "core/event.h"
#include "core/result.h"
#include "core/time.h"

namespace stargazer {

class Clock {
 public:
  virtual ~Clock() = default;

  // The host's CLOCK_BOOTTIME. Constant during one step, never less than before.
  virtual Instant now() const = 0;

  // For stamps and for what must outlive a reboot; may step.
  virtual WallTime wall_now() const = 0;

  // Asks for a step at `when`, or at once when that has passed. Replaces the wish before; kNever means none.
  virtual void wake_at(Instant when) = 0;
};

// Names a request to the lease store. Counts up and is never used again.
using LeaseRequestId = std::uint64_t;

// The lease in Redis (SPEC section 3). Every function sends one request and returns at once. At most one LeaseReply
// with that id follows: perhaps late, perhaps never.
class LeaseStore {
 public:
  virtual ~LeaseStore() = default;

  // Takes the lease if nobody holds it, or prolongs it if this node does.
  virtual void acquire(LeaseRequestId id) = 0;

  // Prolongs the lease if this node holds it; takes nothing.
  virtual void renew(LeaseRequestId id) = 0;

  // Gives the lease up if this node holds it.
  virtual void release(LeaseRequestId id) = 0;
};

// How a stop is asked of a worker's whole process group.
enum class StopSignal : std::uint8_t { kTerminate, kKill };

// What a worker is and what it gets. The environment is the daemon's own minus its secrets, then `environment`.
struct SpawnRequest {
  RunId run;
  std::string run_id_text;   // unique over restarts and nodes: STARGAZER_RUN_ID
  std::string name;          // of the task or supervised worker: STARGAZER_TASK
  const Job* job = nullptr;  // lives as long as the supervisor
  const Environment* environment = nullptr;
  const std::string* working_directory = nullptr;
};

// Starts and stops processes. Every worker that was started yields exactly one Exited and exactly one ChannelClosed,
// in either order; ChannelClosed means that its fd 3, its stdout and its stderr have all been read to the end or given
// up by close_channel. By the time Exited is posted, nothing of the worker's process group is left.
class WorkerHost {
 public:
  virtual ~WorkerHost() = default;

  // Fails when the worker could not be started (not found, not executable, no memory); nothing is posted then.
  virtual Status spawn(const SpawnRequest& request) = 0;

  // REQUIRES: spawned, and its Exited has not been taken from the inbox. Does nothing once the process is gone.
  virtual void stop(RunId run, StopSignal signal) = 0;

  // Stops reading from a worker that has exited but whose output is held open by a descendant.
  // REQUIRES: spawned. Does nothing when the channel is closed already.
  virtual void close_channel(RunId run) = 0;
};

// ---- The way in ---------------------------------------------------------------------------------------------------

// How a process ended: by exit code, or by a signal when `signal` is not 0.
struct ExitStatus {
  int code = 0;
  int signal = 0;
};

struct Exited {
  RunId run;
  ExitStatus status;
  std::string detail;  // for a native job that failed: why; otherwise ""
};

struct ChannelClosed {
  RunId run;
};

struct LeaseReply {
  enum class Answer : std::uint8_t {
    kGranted,   // this node holds the lease, its ttl counted anew
    kHeld,      // another node does: `holder`, for `remaining` at least
    kMissing,   // renew only: nobody holds it
    kReleased,  // release only: it was this node's, and is free now
    kFailed,    // the store answered with an error, or could not be asked: `cause`
  };

  LeaseRequestId id = 0;
  Answer answer = Answer::kFailed;
  std::string holder;
  Duration remaining{};
  std::string cause;
};

// A configured dependency has become reachable or has gone, or is away for another cause: posted on changes only. Until
// the first one of these, it counts as unreachable.
struct DependencyChanged {
  Dependency dependency{};
  bool reachable = false;
  std::string cause;  // why it is not reachable, for a person
};

// The first one stops everything in order; the second one kills.
struct StopRequested {
  std::string cause;  // "SIGTERM", "SIGINT"
};

using Input = std::variant<Exited, ChannelClosed, LeaseReply, DependencyChanged, StopRequested>;

}  // namespace stargazer
