// The three seams out of the core and the one way in. Each has one real implementation (lib/io) and one fake
// (tests/sim); a fourth needs a page in docs/decisions.
//
// Whatever happens outside comes back as an Input posted to the supervisor's inbox. No implementation may call the
// core from inside one of these functions.
#pragma once

#include <cstdint>
#include <map>
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

// On what a node decided to take the lease. A store that finds anything else grants nothing (LEASE.md rule 3).
struct LeaseClaim {
  std::uint64_t expected_epoch = 0;   // the last epoch granted, as the store said; 0 = none is known there
  std::uint64_t expected_grants = 0;  // LeaseFacts::grants and server of the same answer
  std::string expected_server;
  std::uint64_t epoch = 0;  // acquire: the least that may be granted; recreate: this node's own
};

// The lease in Redis (SPEC section 3). Every function sends one request and returns at once. At most one LeaseReply
// with that id follows: perhaps late, perhaps never. The request itself may take effect late, even after a later one.
class LeaseStore {
 public:
  virtual ~LeaseStore() = default;

  // Only looks. Answers kHeld, kFree or kFailed.
  virtual void observe(LeaseRequestId id) = 0;

  // Takes the lease for a new term if nobody holds it and the claim holds. The epoch is the greater of claim.epoch and
  // the last one known to the store plus 1. Answers kGranted, kHeld, kFree (the claim does not hold) or kFailed.
  virtual void acquire(LeaseRequestId id, const LeaseClaim& claim) = 0;

  // Prolongs the lease if this start of this node holds it under this epoch. Answers kGranted, kHeld, kFree or kFailed.
  virtual void renew(LeaseRequestId id, std::uint64_t epoch) = 0;

  // Sets the lease again, under claim.epoch, for a holder whose key has vanished: if nobody holds it and the claim
  // holds (rule 7). Answers kGranted, kHeld, kFree or kFailed.
  virtual void recreate(LeaseRequestId id, const LeaseClaim& claim) = 0;

  // Gives the lease up if this start of this node holds it, leaves word that it was, and announces it. Answers
  // kReleased, kHeld, kFree or kFailed.
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
  std::uint64_t epoch = 0;    // the fencing token of a worker of the lease: STARGAZER_EPOCH; 0 = none
  Instant fuse = kNever;      // when the worker and all its descendants must be dead, whatever the daemon does by then
  DependencySet arguments;    // what the job is called with
  Duration timeout{};         // 0 = none
  std::uint32_t attempt = 1;  // counts up until a run of the task does not fail: STARGAZER_ATTEMPT
  const Limits* limits = nullptr;      // null = none
  const Settings* settings = nullptr;  // null = none
  const WarmRules* warm = nullptr;     // null = its process has this run alone
};

// Starts and stops processes. Every worker that was started yields exactly one Exited and exactly one ChannelClosed,
// in either order; ChannelClosed means that its fd 3, its stdout and its stderr have all been read to the end or given
// up by close_channel. By the time Exited is posted, nothing of the worker's process group is left.
//
// A worker with `warm` may be a process that has had a run before, and may be kept for another one: then both are
// posted when its run is over and all that it wrote by then has been read, Exited as if it had exited with 0, or 77 for
// a run that it skipped. Which processes are kept is the host's own business; it never lets a run fail for it.
class WorkerHost {
 public:
  virtual ~WorkerHost() = default;

  // Fails when the worker could not be started (not found, not executable, no memory); nothing is posted then.
  virtual Status spawn(const SpawnRequest& request) = 0;

  // `why` is for a worker that listens; it is told of kTerminate only. Does nothing once the process is gone.
  // REQUIRES: spawned, and its Exited has not been taken from the inbox.
  virtual void stop(RunId run, StopSignal signal, const std::string& why) = 0;

  // Stops reading from a worker that has exited but whose output is held open by a descendant.
  // REQUIRES: spawned. Does nothing when the channel is closed already.
  virtual void close_channel(RunId run) = 0;

  // Moves the fuse of every worker that was spawned with one. It burns by CLOCK_BOOTTIME in a process of its own, so
  // that a daemon which is stopped, hung or gone cannot keep it from doing so; without a daemon it burns at once.
  virtual void extend_fuse(Instant fuse) = 0;
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
  std::string detail;   // for a native job that failed: why; otherwise ""
  std::string limit{};  // which of its limits it reached: "killed by memory_max of 512M"; "" = none
};

struct ChannelClosed {
  RunId run;
};

// What a worker itself said of its run's end, before it ended. The first one of a run counts.
struct RunReported {
  RunId run;
  Outcome outcome = Outcome::kOk;  // kOk, kSkipped or kFailed
  std::string message;             // "" when there is nothing to say
  std::string error;               // of kFailed: the name of the error's kind, such as "ValueError"; may be ""
};

// Something that a worker said was refused. The first one of a run counts: it may be why the run has no result.
struct SayingRefused {
  RunId run;
  std::string why;
};

// How far a worker says it is. The last one of a run is kept for status.
struct ProgressReported {
  RunId run;
  double done = 0;
  double total = 0;  // 0 = not known
  std::string message;
};

// What every request to the lease store finds out, read in one moment together with what it did.
struct LeaseFacts {
  std::string holder;        // the node id in the key; "" = nobody holds the lease
  bool own = false;          // … and it is this very start of this node that does
  Duration remaining{};      // of the key; kDurationMax when it never expires
  std::uint64_t epoch = 0;   // the last one granted; 0 = the store knows of none
  std::uint64_t grants = 0;  // how often the lease was granted, prolonged or set again in this life of the store
  std::string released_by;   // who gave the lease up in order; "" when the last term did not end so, or has not ended
  Duration store_time{};     // the store's wall clock, since 1970
  std::string server;        // names one life of the store: another one may have lost data
};

struct LeaseReply {
  enum class Answer : std::uint8_t {
    kGranted,   // this node holds the lease under facts.epoch, its ttl counted anew
    kHeld,      // somebody holds it; nothing was changed
    kFree,      // nobody holds it; nothing was changed
    kReleased,  // release only: it was this node's, and is free now
    kFailed,    // the store answered with an error, or could not be asked: `cause`
  };

  LeaseRequestId id = 0;
  Answer answer = Answer::kFailed;
  LeaseFacts facts;   // unless kFailed
  std::string cause;  // of kFailed
};

// A node says that it has released the lease. May be posted wrongly: it is only looked at sooner.
struct LeaseAnnounced {};

// When the cluster last ran its tasks with run_on = "leader", by name: what a new leader must know before it runs any,
// or it would run a daily one again on the day of every change of leader. Those that were never run are absent.
struct LastEndsLearnt {
  std::map<std::string, WallTime> last_ends;
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

using Input = std::variant<Exited, ChannelClosed, RunReported, SayingRefused, ProgressReported, LeaseReply,
                           LeaseAnnounced, LastEndsLearnt, DependencyChanged, StopRequested>;

}  // namespace stargazer
