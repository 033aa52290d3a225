// The processes that are kept between runs: what core/warm_pool.h decides, done. Looks at a process before it is given
// another run, and ends those that have to go: the end of what we write to their fd 3, then TERM, then KILL.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

#include <uv.h>

#include "core/warm_pool.h"
#include "io/worker_child.h"

namespace stargazer {

// A process is not kept any longer.
struct WarmEnded {
  std::string task;  // that it ran last
  pid_t pid = 0;
  WarmEnd why{};
};

// "report: its warm worker (process 71) is ended: it was idle for its warm_idle_timeout".
std::string warm_end_line(const WarmEnded& ended);

// Since the start of the daemon.
struct WarmTally {
  std::uint64_t reused_count = 0;                           // runs that a kept process was given
  std::uint64_t begun_again_count = 0;                      // of those: that had to be started again in another process
  std::array<std::uint64_t, kWarmEndCount> ended_counts{};  // by WarmEnd
};

// "warm workers: 240 runs in kept processes, 1 of them started again in another; 2 ended: it was …"; "" when nothing
// was kept.
std::string warm_tally_line(const WarmTally& tally);

// Whether a process has written anything that is not read yet, by any way, also when it has ended meanwhile.
bool has_said_more(const WorkerChild& child);

// What is known of a process that has offered to be kept, but for the limits of core/limits.h. `writes_on`: its output
// does not end. `is_other` as of usage_of (io/run_usage.h).
WarmFacts warm_facts(const WorkerChild& child, bool writes_on, const std::function<bool(pid_t)>& is_other);

class WarmWorkers {
 public:
  // How long a process may take to begin with a run that it was given, before it is killed and the run is started
  // again.
  static constexpr auto kBeginTimeout = std::chrono::seconds(5);
  // From the end of what we write to TERM, and from there to KILL.
  static constexpr auto kLeaveTimeout = std::chrono::seconds(2);
  static constexpr auto kTermTimeout = std::chrono::seconds(5);

  struct Callbacks {
    // End a process with all that it has started. REQUIRES: its exit has not been seen.
    std::function<void(const WorkerChild&)> terminate;
    std::function<void(const WorkerChild&)> kill;
    std::function<void(const WarmEnded&)> ended;
  };

  WarmWorkers(uv_loop_t* loop, std::uint32_t idle_max, Callbacks callbacks);

  // Whether any process is ever kept.
  bool keeps() const { return pool_.keeps() && !stopping_; }

  // An idle process for this run, which is alive and has written nothing since its last one; nullptr when there is
  // none. Those that are not fit for it any more are ended. REQUIRES: request.warm is set.
  WorkerChild* take(const SpawnRequest& request);

  // The run of a process is over and it has offered to be kept: it is idle or leaving from now on. REQUIRES: it is
  // busy.
  void settle(WorkerChild& child, const WarmFacts& facts);

  // It leaves, for this reason. REQUIRES: it has no run.
  void let_leave(WorkerChild& child, WarmEnd why);

  // A process was given a run and has to begin with it; it has.
  void await_begin(WorkerChild& child);
  void begun(WorkerChild& child);
  // It did not, and its run is started again in another process.
  void begins_again(WorkerChild& child);

  // The exit of a process has been seen: it is not signalled any more.
  void exited(WorkerChild& child);

  // All idle ones, or those of the lease, leave. After the first nothing is kept any more.
  void end_all();
  void end_of_lease();

  std::size_t idle_count() const { return pool_.size(); }
  const WarmTally& tally() const { return tally_; }

  // The last call. The loop must run once more before the object is destroyed.
  void close();

 private:
  enum class Step : std::uint8_t { kBegin, kTerminate, kKill };
  struct Deadline {
    Instant at;
    Step next;  // what is done then
    WorkerChild* child;
  };

  void end(const std::vector<WarmPool::ProcessId>& processes, WarmEnd why);
  void show_out(WorkerChild& child, WarmEnd why);
  void tell_end(const WorkerChild& child, WarmEnd why);
  void on_time();
  void act(const Deadline& due, Instant now);
  void set_deadline(WorkerChild& child, Instant at, Step next);
  void arm();

  WarmPool pool_;
  Callbacks callbacks_;
  std::map<WarmPool::ProcessId, WorkerChild*> idle_;
  std::map<WarmPool::ProcessId, Deadline> deadlines_;
  WarmTally tally_;
  uv_timer_t timer_{};
  bool stopping_ = false;
};

}  // namespace stargazer
