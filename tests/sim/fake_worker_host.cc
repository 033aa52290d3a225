#include "sim/fake_worker_host.h"

#include <csignal>
#include <utility>

#include "core/runs.h"

namespace stargazer::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr Duration kWriteEveryMin = std::chrono::seconds(2);
constexpr Duration kWriteEveryMax = std::chrono::seconds(10);

Duration between(Duration low, Duration high, Random& random) {
  return low + random.up_to(high - low);
}

ExitStatus draw_status(const ChildOdds& odds, Random& random) {
  if (random.chance(odds.skips)) return {.code = Runs::kSkippedExitCode};
  if (random.chance(odds.crashes)) return {.code = 1};
  if (random.chance(odds.dies_by_signal)) return {.signal = SIGSEGV};
  return {};
}

}  // namespace

ChildPlan draw_child_plan(const ChildOdds& odds, bool supervised, Random& random) {
  ChildPlan plan;
  plan.spawn_fails = random.chance(odds.spawn_fails);
  plan.runs_for = random.up_to(supervised ? odds.worker_run_max : odds.run_max);
  if (random.chance(odds.hangs) || (supervised && odds.workers_stay)) plan.runs_for.reset();
  plan.status = draw_status(odds, random);
  plan.dies_of_term_after = random.up_to(odds.term_delay_max);
  if (random.chance(odds.ignores_term)) plan.dies_of_term_after.reset();
  plan.dies_of_kill_after = random.up_to(odds.kill_delay_max);
  plan.report_delay = random.up_to(odds.report_delay_max);
  plan.channel_after_exit = random.up_to(milliseconds(50));
  if (random.chance(odds.holds_output)) plan.channel_after_exit.reset();
  if (random.chance(odds.closes_early)) plan.channel_after_start = random.up_to(odds.run_max);
  if (supervised) plan.writes_every = between(kWriteEveryMin, kWriteEveryMax, random);
  return plan;
}

FakeWorkerHost::FakeWorkerHost(World& world, FakeClock& clock, NodeChecker& checker, Planner planner, Post post,
                               Write write)
    : world_(world),
      clock_(clock),
      checker_(checker),
      planner_(std::move(planner)),
      post_(std::move(post)),
      write_(std::move(write)) {}

Status FakeWorkerHost::spawn(const SpawnRequest& request) {
  auto child = std::make_shared<Child>();
  child->run = request.run;
  child->name = request.name;
  child->plan = planner_(request.name);
  child->epoch = request.epoch;
  child->fuse = child->fuse_told = request.fuse;
  const bool burnt = request.fuse <= clock_.now();
  const bool succeeds = !child->plan.spawn_fails && !burnt;
  checker_.spawn_asked(request, succeeds, clock_.now());
  if (!succeeds) return Error(burnt ? "spawn: the fuse has burnt" : "spawn: No such file or directory");
  children_[request.run] = child;
  start_life(child);
  return {};
}

void FakeWorkerHost::start_life(const ChildPointer& child) {
  if (child->plan.progress) say(child, *child->plan.progress, Duration::zero());
  if (child->plan.reports && child->plan.runs_for) say(child, *child->plan.reports, *child->plan.runs_for);
  if (child->plan.runs_for) die_after(child, *child->plan.runs_for, child->plan.status);
  if (child->plan.channel_after_start) close_after(child, *child->plan.channel_after_start);
  if (child->kept()) arm(child);
  if (child->epoch != 0 && child->plan.writes_every) write_on(child);
}

// On its fd 3, while it lives.
template <typename Saying>
void FakeWorkerHost::say(const ChildPointer& child, Saying saying, Duration delay) {
  saying.run = child->run;
  clock_.after(delay, [this, child, saying] {
    if (child->alive && !child->orphan && child->channel_open) post_(saying);
  });
}

void FakeWorkerHost::arm(const ChildPointer& child) {
  if (!world_.broken.fakes.fuse) return;
  clock_.at(child->fuse, [this, child] {
    if (!child->alive || clock_.now() < child->fuse) return;  // it was moved, and armed anew
    world_.tell(checker_.who(), [&] { return "fuse of " + child->name + " burns"; });
    die_after(child, child->plan.dies_of_kill_after, {.signal = SIGKILL});
  });
}

void FakeWorkerHost::write_on(const ChildPointer& child) {
  clock_.after(*child->plan.writes_every, [this, child] {
    if (!child->alive) return;
    if (!child->stopped) write_(child->epoch);
    write_on(child);
  });
}

void FakeWorkerHost::stop(RunId run, StopSignal signal, const std::string& why) {
  checker_.signalled(run, signal, clock_.now());
  const auto found = children_.find(run);
  if (found == children_.end()) return;
  const ChildPointer child = found->second;
  if (child->unreported && signal == StopSignal::kKill) {  // its keeper is still there
    child->unreported.reset();
    return clock_.after(child->plan.report_delay, [this, child] { report_exit(child, {.signal = SIGKILL}); });
  }
  if (!child->alive) return;
  world_.tell(checker_.who(),
              [&] { return "signal " + child->name + (signal == StopSignal::kKill ? " KILL" : " TERM"); });
  if (signal == StopSignal::kTerminate && child->plan.reports) {
    world_.tell(checker_.who(), [&] { return "stop " + child->name + " reason=\"" + why + "\""; });
  }
  if (signal == StopSignal::kKill) {
    if (world_.broken.mutant != Mutant::kImmortal)
      die_after(child, child->plan.dies_of_kill_after, {.signal = SIGKILL});
  } else if (child->plan.dies_of_term_after) {
    die_after(child, *child->plan.dies_of_term_after, {.signal = SIGTERM});
  }
}

void FakeWorkerHost::close_channel(RunId run) {
  checker_.output_given_up(run, clock_.now());
  const auto found = children_.find(run);
  if (found != children_.end()) close_after(found->second, Duration::zero());
}

void FakeWorkerHost::extend_fuse(Instant fuse) {
  checker_.fuse_told(fuse);
  for (auto& [run, child] : children_) {
    if (!child->kept() || !child->alive) continue;
    child->fuse_told = fuse;
    if (child->keeper_stopped) continue;
    child->fuse = fuse;
    arm(child);
  }
}

void FakeWorkerHost::abandon_all(Duration delay_max) {
  for (auto& [run, child] : children_) {
    child->orphan = true;
    if (!child->alive) continue;
    // Both are killed, the one by its keeper, the other by itself; only the first can be stopped meanwhile.
    die_after(child, world_.random.up_to(delay_max),
              child->kept() ? ExitStatus{.signal = SIGKILL} : ExitStatus{.code = 1});
  }
  children_.clear();
}

void FakeWorkerHost::stop_keepers(bool stopped) {
  const std::map<RunId, ChildPointer> children = children_;  // those that are reported leave
  for (const auto& [run, child] : children) {
    if (!child->kept()) continue;
    child->keeper_stopped = stopped;
    if (stopped) continue;
    if (child->unreported) report_exit(child, *child->unreported);
    if (!child->alive || child->fuse == child->fuse_told) continue;
    child->fuse = child->fuse_told;
    arm(child);
  }
}

void FakeWorkerHost::stop_workers(bool stopped) {
  for (auto& [run, child] : children_) {
    if (!child->kept()) continue;
    child->stopped = stopped;
    if (!stopped && child->dies_later) die(child, *child->dies_later);
  }
}

void FakeWorkerHost::die_after(const ChildPointer& child, Duration delay, ExitStatus status) {
  clock_.after(delay, [this, child, status] { die(child, status); });
}

void FakeWorkerHost::die(const ChildPointer& child, ExitStatus status) {
  if (!child->alive) return;
  if (child->stopped && status.signal != SIGKILL) {
    child->dies_later = status;
    return;
  }
  child->alive = false;
  world_.tell(checker_.who(),
              [&] { return "exited " + child->name + " " + status_text(status) + (child->orphan ? " orphaned" : ""); });
  if (world_.broken.mutant == Mutant::kOverlap) {
    clock_.after(minutes(1), [this, child] { checker_.process_gone(child->name, clock_.now()); });
  } else {
    checker_.process_gone(child->name, clock_.now());
  }
  if (child->orphan) return;
  clock_.after(child->plan.report_delay, [this, child, status] { report_exit(child, status); });
  if (child->plan.channel_after_exit) {
    close_after(child, child->plan.report_delay + *child->plan.channel_after_exit);
  }
}

void FakeWorkerHost::report_exit(const ChildPointer& child, ExitStatus status) {
  if (child->orphan || child->reported) return;
  // What kills the worker by force kills its keeper with it.
  if (child->keeper_stopped && status.signal != SIGKILL) {
    child->unreported = status;
    return;
  }
  child->unreported.reset();
  child->reported = true;
  post_(Exited{child->run, status, ""});
  if (!child->channel_open) children_.erase(child->run);
}

void FakeWorkerHost::close_after(const ChildPointer& child, Duration delay) {
  clock_.after(delay, [this, child] {
    if (!child->channel_open || child->orphan) return;
    child->channel_open = false;
    world_.tell(checker_.who(), [&] { return "channel closed " + child->name; });
    post_(ChannelClosed{child->run});
    if (child->reported) children_.erase(child->run);
  });
}

}  // namespace stargazer::sim
