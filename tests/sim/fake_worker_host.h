// Processes that exist only on the timeline. What each will do is planned at its spawn.
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
};

// Draws a plan. `supervised` children run for up to worker_run_max and end like any other.
ChildPlan draw_child_plan(const ChildOdds& odds, bool supervised, Random& random);

class FakeWorkerHost final : public WorkerHost {
 public:
  using Planner = std::function<ChildPlan(const std::string& name)>;
  using Post = std::function<void(Input)>;

  // `post` takes what happens to the children of the present incarnation of the node.
  FakeWorkerHost(World& world, const FakeClock& clock, NodeChecker& checker, Planner planner, Post post);

  Status spawn(const SpawnRequest& request) override;
  void stop(RunId run, StopSignal signal) override;
  void close_channel(RunId run) override;

  // The node has crashed: its children notice the closed channel and leave within `delay_max`; nothing is posted.
  void abandon_all(Duration delay_max);

 private:
  struct Child {
    RunId run;
    std::string name;
    ChildPlan plan;
    bool alive = true;
    bool channel_open = true;
    bool orphan = false;
  };
  using ChildPointer = std::shared_ptr<Child>;

  void start_life(const ChildPointer& child);
  void die_after(const ChildPointer& child, Duration delay, ExitStatus status);
  void die(const ChildPointer& child, ExitStatus status);
  void report_exit(const ChildPointer& child, ExitStatus status);
  void close_after(const ChildPointer& child, Duration delay);

  World& world_;
  const FakeClock& clock_;
  NodeChecker& checker_;
  Planner planner_;
  Post post_;
  std::map<RunId, ChildPointer> children_;  // until exited and closed
};

}  // namespace stargazer::sim
