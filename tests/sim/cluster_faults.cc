// The second half of Cluster: what befalls the store and the nodes, and what is owed once it is over.
#include <algorithm>
#include <utility>

#include "sim/cluster.h"

namespace stargazer::sim {
namespace {

using std::chrono::seconds;

// A crashed daemon's children notice its end by their closed channel, or their keepers do, and are gone within this.
constexpr Duration kChildrenLeaveMax = seconds(1);
// About as long as a follower looks away.
constexpr Duration kUndoneWithin = seconds(3);

}  // namespace

void Cluster::disturb(FaultKind kind) {
  const Disturbance disturbance = faults_.of(kind);
  if (disturbance.every == Duration::zero()) return;
  world_.timeline.after(world_.random.up_to(2 * disturbance.every), [this, kind, disturbance] {
    if (calm_) return;
    upset(kind, world_.random.up_to(disturbance.length_max));
    disturb(kind);
  });
}

void Cluster::upset(FaultKind kind, Duration length) {
  switch (kind) {
    case FaultKind::kStoreRestart:
    case FaultKind::kStoreDataLoss:
    case FaultKind::kStoreFlush:
    case FaultKind::kStoreFailover:
    case FaultKind::kStoreStep:
    case FaultKind::kStoreTwoSteps: return upset_store(kind, length);
    default: return upset_node(kind, victim(), length);
  }
}

// The node whose workers are active, or any.
Node& Cluster::victim() {
  const std::size_t any = world_.random.below(nodes_.size());
  if (!world_.random.chance(faults_.aimed)) return *nodes_[any];
  for (std::size_t node = 0; node < nodes_.size(); ++node) {
    if (watch_.alive(node) > 0) return *nodes_[node];
  }
  return *nodes_[any];
}

void Cluster::fault_lasts(Duration length, Timeline::Action end) {
  ++faults_begun_;
  ++faults_in_force_;
  world_.timeline.after(length, [this, end = std::move(end)] {
    end();
    fault_ends();
  });
}

void Cluster::fault_ends() {
  if (calm_ || --faults_in_force_ > 0) return;
  expect_recovery();
}

void Cluster::expect_recovery() {
  if (options_.recovery_max > Duration::zero()) judge_recovery(Look::kFirst, options_.recovery_max);
}

// A slow network can cost a lease at any time, also long after the last fault and just before this looks. But not for
// so long, and not for two looks in a row.
void Cluster::judge_recovery(Look look, Duration delay) {
  world_.timeline.after(delay, [this, look, begun = faults_begun_, calm = calm_] {
    if (ending_ || begun != faults_begun_ || calm != calm_ || watch_.active_sets() > 0) return;
    const Duration left = options_.recovery_max - watch_.missing_for();
    if (left <= Duration::zero() || look == Look::kSecond) return recovery_missed();
    if (look != Look::kFirst) return;
    judge_recovery(Look::kStretch, left);
    judge_recovery(Look::kSecond, options_.recovery_max);
  });
}

void Cluster::recovery_missed() {
  world_.findings.found(Invariant::kRecovers, "cluster",
                        "no active workers " + format_duration(options_.recovery_max) +
                            " after the last fault, for so long or again as long after that");
}

// ---- The store ------------------------------------------------------------------------------------------------------

void Cluster::upset_store(FaultKind kind, Duration length) {
  if (!server_) return;
  const bool back = kind == FaultKind::kStoreStep && world_.random.chance(0.5);
  world_.tell("store", [&] { return name_of(kind) + std::string(back ? " -" : " ") + format_duration(length); });
  const auto either_way = [this](Duration most) { return world_.random.up_to(2 * most) - most; };
  const bool goes_away =
      kind == FaultKind::kStoreRestart || kind == FaultKind::kStoreDataLoss || kind == FaultKind::kStoreFailover;
  if (kind == FaultKind::kStoreFlush) server_->flush();
  if (kind == FaultKind::kStoreStep) server_->step_clock(back ? -length : length);
  if (kind == FaultKind::kStoreTwoSteps) {
    server_->step_clock(-length);
    return fault_lasts(world_.random.up_to(kUndoneWithin), [this, length] {
      world_.tell("store", [] { return "clock is set right again"; });
      server_->step_clock(length);
    });
  }
  if (kind == FaultKind::kStoreRestart) server_->restart(length, false);
  if (kind == FaultKind::kStoreDataLoss) server_->restart(length, true);
  if (kind == FaultKind::kStoreFailover) {
    server_->fail_over(length, world_.random.up_to(faults_.failover_lag_max), either_way(faults_.replica_clock_off));
  }
  fault_lasts(goes_away ? length : Duration::zero(), [] {});
}

// ---- The nodes ------------------------------------------------------------------------------------------------------

void Cluster::upset_node(FaultKind kind, Node& node, Duration length) {
  switch (kind) {
    case FaultKind::kPartition: return cut_off(node, length);
    case FaultKind::kDependencyFlap: return flap(node, length);
    case FaultKind::kNodeStop: return stop(node, length);
    case FaultKind::kNodeCrash: return crash(node, length);
    case FaultKind::kDaemonStop:
      node.stop_daemon(true);
      return fault_lasts(length, [&node] { node.stop_daemon(false); });
    case FaultKind::kMachinePause:
      node.pause_machine(true);
      return fault_lasts(length, [&node] { node.pause_machine(false); });
    case FaultKind::kKeeperStop:
      node.host().stop_keepers(true);
      return fault_lasts(length, [&node] { node.host().stop_keepers(false); });
    case FaultKind::kWorkerStop:
      node.host().stop_workers(true);
      return fault_lasts(length, [&node] { node.host().stop_workers(false); });
    default: return;
  }
}

void Cluster::cut_off(Node& node, Duration length) {
  if (!server_ || node.store().partitioned()) return;
  world_.tell(node.name(), [] { return "is cut off from the store"; });
  // One way or both.
  const bool requests_pass = world_.random.chance(0.2);
  node.store().drop_requests(!requests_pass);
  node.store().drop_replies(requests_pass || world_.random.chance(0.8));
  fault_lasts(length, [&node] {
    node.store().drop_requests(false);
    node.store().drop_replies(false);
  });
}

void Cluster::flap(Node& node, Duration length) {
  const Dependency dependency = kAnnounced[world_.random.below(kAnnounced.size())];
  if (!configured(options_.config, dependency)) return;
  announce(node, dependency, false);
  world_.timeline.after(length, [this, &node, dependency] { announce(node, dependency, true); });
}

void Cluster::stop(Node& node, Duration /*length*/) {
  if (!node.up() || node.stopping()) return;
  ++faults_begun_;
  node.post(StopRequested{"SIGTERM"});
  if (!world_.random.chance(faults_.second_stop)) return;
  world_.timeline.after(world_.random.up_to(seconds(5)), [&node] {
    if (node.stopping()) node.post(StopRequested{"SIGINT"});
  });
}

void Cluster::crash(Node& node, Duration length) {
  if (!node.up()) return;
  node.crash(kChildrenLeaveMax);
  if (world_.random.chance(faults_.state_lost)) node.lose_state();
  fault_lasts(kDownMin + length, [this, &node] { boot(node); });
}

// ---- Calm -----------------------------------------------------------------------------------------------------------

void Cluster::heal(Node& node) {
  node.pause_machine(false);
  node.stop_daemon(false);
  node.host().stop_keepers(false);
  node.host().stop_workers(false);
  if (server_) {
    node.store().set_odds(faults_.network);
    node.store().drop_requests(false);
    node.store().drop_replies(false);
  }
  if (!node.up()) world_.timeline.after(kDownMin, [this, &node] { boot(node); });
  for (const Dependency dependency : kAnnounced) {
    if (configured(options_.config, dependency)) announce(node, dependency, true);
  }
  node.checker().begin_calm();
}

}  // namespace stargazer::sim
