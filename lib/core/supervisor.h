// The scheduler itself: one object that owns every loop, run, supervised worker and the lease, and one function,
// step(), that drives them.
//
// Everything that happens outside is posted to the inbox as an Input; step() takes the inbox and acts on it in one
// fixed order, whatever the order of arrival:
//
//   1. what workers said of their runs, then exits and closed channels
//   2. lease replies
//   3. announcements, last ends, dependencies, requests to stop
//   4. what the clock has brought    run timeouts, grace periods, drain deadlines, due loops
//   5. runs that have ended          their permits are free for what starts below
//   6. the lease                     its own deadlines first: nothing starts in the name of a lease that has run out
//   7. starts                        due tasks by due time while gates and pools allow; supervised workers if leader
//   8. the next wake-up
//
// Equal instants are served in the order in which they were asked for, and chance comes from one seed, so a run is its
// list of inputs and instants: tests/sim replays it byte for byte.
//
// A periodic task (SPEC section 2.3):
//
//              due                      gate open, permit free
//   waiting ─────────► held (says why) ────────────────────────► running ─► waiting, for interval + jitter from the end
//
// A run that failed with `retries` left is followed by another attempt instead, after retry_pause + jitter; the
// interval counts from the end of the last one.
//
// A supervised worker (SPEC section 4) runs only while this node is leader; core/restart.h says when it comes back.
// What one process goes through from start to end is the table in core/worker.h.
//
// Stopping is final for the object; a new start is a new Supervisor. The first StopRequested starts nothing more, sends
// TERM to everything, KILL after each grace and to everything that is left shortly before scheduler.stop_deadline; then
// the lease is released. The second kills at once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/event.h"
#include "core/lease_rules.h"
#include "core/registry.h"
#include "core/seams.h"

namespace stargazer {

// What one node is made of beyond its configuration.
struct SupervisorOptions {
  std::uint64_t seed = 0;
  std::string run_id_prefix;  // makes run ids unique over restarts and nodes: "PREFIX-1", "PREFIX-2", …
  std::map<std::string, WallTime> last_ends;  // remembered ends of tasks with persist = true, by task name
  // A new leader runs the tasks with run_on = "leader" only once LastEndsLearnt has been posted to it.
  bool last_ends_are_shared = false;
  LeaseMemory lease_memory{};  // of the start before
  LeaseRules lease_rules{};    // all on; the simulator shows what each is for
};

// One task or supervised worker as an operator sees it.
struct TaskStatus {
  std::string name;
  bool supervised = false;
  bool running = false;
  std::uint64_t run_count = 0;
  std::uint64_t failure_count = 0;  // every outcome but ok, skipped and cancelled
  std::string why;  // "running for 3.2 s" and how far it says it is, or one sentence on why it is not running
};

class Supervisor {
 public:
  // `config` and `registry` must come from each other (build_registry) and are kept. `store` is null when no Redis is
  // configured: the node is then permanent leader. The seams must outlive the supervisor.
  Supervisor(Config config, Registry registry, Clock& clock, LeaseStore* store, WorkerHost& host,
             SupervisorOptions options);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Schedules every loop and begins to contend for the lease at the next step, which it asks the clock for at once. A
  // second start is a no-op.
  void start();

  // Records an input for the next step. May be called from any callback of the thread that steps.
  void post(Input input);

  // Acts on everything posted and everything due. May be called at any time; without cause it does nothing.
  void step();

  // Takes the events since the last call, oldest first.
  std::vector<Event> take_events();

  bool leader() const;
  // What the next start of this node should know of the lease. Grows only when something new was learnt.
  const LeaseMemory& lease_memory() const;
  // True when a worker of the lease should have been dead by now and is not: a state of emergency (LEASE.md rule 12).
  bool lease_overdue() const;
  // True once a requested stop is complete: nothing runs, the lease is released or could not be.
  bool stopped() const;

  // How many worker processes are alive or not yet drained.
  std::size_t worker_count() const;
  // Every task, then every supervised worker, in the registry's order.
  std::vector<TaskStatus> status() const;
  // "PREFIX-7".
  std::string run_id_text(RunId run) const;
  // The fencing token with which a worker of the lease was started; 0 for any other, and once it is gone.
  std::uint64_t epoch_of(RunId run) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stargazer
