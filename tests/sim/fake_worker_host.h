// Processes that exist only on the timeline. What each will do is planned at its spawn.
//
// A worker with a fuse has a keeper: it dies when the fuse has burnt by the node's clock, whatever the daemon does by
// then, and soon after a daemon that is gone. A keeper that is stopped (SIGSTOP) hears of no new fuse and reports
// nothing, but its timer goes on, as the kernel experiment of LEASE.md section 3.7 has shown. What a worker starts
// itself is not modelled.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/seams.h"
#include "sim/fake_clock.h"
#include "sim/node_checker.h"
#include "sim/world.h"

namespace stargazer::sim {

// What a child does, left alone and when asked to stop.
struct ChildPlan {
  bool spawn_fails = false;
  std::optional<Duration> runs_for = Duration::zero();  // none: until it is stopped
  ExitStatus status;
  std::optional<Duration> dies_of_term_after = Duration::zero();  // none: ignores TERM
  Duration dies_of_kill_after{};
  Duration report_delay{};                                        // from its death to Exited
  std::optional<Duration> channel_after_exit = Duration::zero();  // none: held open until it is given up
  std::optional<Duration> channel_after_start;                    // closes the channel while it runs
  std::optional<RunReported> reports;                             // right before it exits of itself
  std::optional<ProgressReported> progress;                       // right after its start
  std::optional<Duration> writes_every;                           // to the store, through the fence, if it has an epoch
};

// Draws a plan. `supervised` children run for up to worker_run_max and end like any other.
ChildPlan draw_child_plan(const ChildOdds& odds, bool supervised, Random& random);

class FakeWorkerHost final : public WorkerHost {
 public:
  using Planner = std::function<ChildPlan(const std::string& name)>;
  using Post = std::function<void(const Input&)>;
  using Write = std::function<void(std::uint64_t epoch)>;

  // `post` takes what happens to the children of the present incarnation of the node, `write` what they write.
  FakeWorkerHost(World& world, FakeClock& clock, NodeChecker& checker, Planner planner, Post post, Write write);

  Status spawn(const SpawnRequest& request) override;
  void stop(RunId run, StopSignal signal, const std::string& why) override;
  void close_channel(RunId run) override;
  void extend_fuse(Instant fuse) override;

  // The node's daemon has gone: its children notice the closed channel, or their keeper does, and leave within
  // `delay_max`; nothing is posted.
  void abandon_all(Duration delay_max);

  // SIGSTOP and SIGCONT of every keeper, of every worker of the lease.
  void stop_keepers(bool stopped);
  void stop_workers(bool stopped);

 private:
  struct Child {
    RunId run;
    std::string name;
    ChildPlan plan;
    std::uint64_t epoch = 0;
    Instant fuse = kNever;       // kNever: it has no keeper
    Instant fuse_told = kNever;  // to the keeper, which may be stopped
    bool keeper_stopped = false;
    bool stopped = false;                  // the worker itself
    std::optional<ExitStatus> dies_later;  // once it is continued
    std::optional<ExitStatus> unreported;  // by its keeper, which is stopped
    bool alive = true;
    bool reported = false;
    bool channel_open = true;
    bool orphan = false;

    bool kept() const { return fuse != kNever; }
  };
  using ChildPointer = std::shared_ptr<Child>;

  void start_life(const ChildPointer& child);
  template <typename Saying>
  void say(const ChildPointer& child, Saying saying, Duration delay);
  void arm(const ChildPointer& child);
  void write_on(const ChildPointer& child);
  void die_after(const ChildPointer& child, Duration delay, ExitStatus status);
  void die(const ChildPointer& child, ExitStatus status);
  void report_exit(const ChildPointer& child, ExitStatus status);
  void close_after(const ChildPointer& child, Duration delay);

  World& world_;
  FakeClock& clock_;
  NodeChecker& checker_;
  Planner planner_;
  Post post_;
  Write write_;
  std::map<RunId, ChildPointer> children_;  // until exited and closed
};

}  // namespace stargazer::sim
