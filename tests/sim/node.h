// One node: a real Supervisor between a fake clock, a fake way to the lease store and a fake worker host, with the
// event loop that the daemon would be and the checker that watches all of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/supervisor.h"
#include "sim/fake_clock.h"
#include "sim/fake_lease_store.h"
#include "sim/fake_worker_host.h"
#include "sim/node_checker.h"
#include "sim/world.h"

namespace stargazer::sim {

// What a node is made of. Everything outlives it; `server` is null when no Redis is configured.
struct NodeParts {
  World& world;
  ClusterWatch& cluster;
  StoreServer* server;
  const Config& config;
  const Registry& registry;
};

class Node {
 public:
  // `index` counts from 0.
  Node(const NodeParts& parts, std::size_t index, Rate rate, FakeWorkerHost::Planner planner);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Starts a new supervisor, which reaches the store after `connects_after`. REQUIRES: !up().
  void boot(Duration connects_after);
  // kill -9: the supervisor is gone at once, its children leave within `children_leave_max`. REQUIRES: up().
  void crash(Duration children_leave_max);
  // What the node knew of the lease is gone. Means something only while the node is down.
  void lose_state() { memory_ = {}; }
  // SIGSTOP and SIGCONT of the daemon: its clock, its children and their keepers go on.
  void stop_daemon(bool stopped);
  // The whole machine stands still, and goes on.
  void pause_machine(bool paused);
  // Hands an input to the supervisor, whose loop comes round for it. Ignored while the node is down.
  void post(const Input& input);

  // Does it after so long a time of the machine, which passes only while the machine goes on.
  void after(Duration delay, std::function<void()> action) { clock_.after(delay, std::move(action)); }

  bool up() const { return supervisor_ != nullptr; }
  bool stands_still() const { return clock_.paused(); }
  bool stopping() const { return stopping_; }
  bool leader() const { return up() && supervisor_->leader(); }
  std::uint64_t steps() const { return steps_; }
  const std::string& name() const { return checker_.who(); }
  const Supervisor& supervisor() const { return *supervisor_; }
  FakeLeaseStore& store() { return *store_; }
  FakeWorkerHost& host() { return host_; }
  NodeChecker& checker() { return checker_; }

  // Every life has the same node id; otherwise each has one of its own. Before the first boot.
  void set_fixed_id(bool fixed) { fixed_id_ = fixed; }
  // How late the event loop may come round: a random part of this.
  void set_step_delay_max(Duration delay_max) { step_delay_max_ = delay_max; }
  // Called when a supervisor has stopped in order; the node is down by then.
  void on_stopped(std::function<void()> action) { on_stopped_ = std::move(action); }

 private:
  void step();
  void tell(const std::vector<Event>& events) const;
  void step_after(Duration delay);
  void step_when_wished();
  void come_round(std::uint64_t ticket);
  void go_down();

  NodeParts parts_;
  std::size_t index_;
  FakeClock clock_;
  NodeChecker checker_;
  FakeWorkerHost host_;
  std::unique_ptr<FakeLeaseStore> store_;
  std::unique_ptr<Supervisor> supervisor_;
  std::function<void()> on_stopped_;

  Duration step_delay_max_{};
  std::vector<Input> inbox_;  // a copy of what the supervisor has been posted since its last step
  std::uint64_t incarnation_ = 0;
  bool stopping_ = false;
  bool fixed_id_ = false;
  bool daemon_stopped_ = false;
  LeaseMemory memory_;  // the state directory
  Instant next_step_ = kNever;
  std::uint64_t step_ticket_ = 0;  // only the step that was asked for last happens
  std::uint64_t steps_ = 0;
};

}  // namespace stargazer::sim
