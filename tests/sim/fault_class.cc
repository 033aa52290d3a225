#include "sim/fault_class.h"

#include <algorithm>

namespace stargazer::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint32_t kNodes = 3;
constexpr Duration kLength = std::chrono::hours(1);
constexpr Duration kCalm = minutes(4);

// LEASE.md 3.9, I6: with T = 30 s, a poll of at most a heartbeat, and a few seconds for the messages that are slow.
constexpr Duration kSlack = seconds(10);
constexpr Duration kAfterCrash = seconds(30) + seconds(10) + kSlack;
constexpr Duration kAfterDataLoss = 2 * seconds(30) + seconds(10) + kSlack;

// LEASE.md 3.8: clock rates off by up to 0.5 %, 2 % of the messages delayed by up to 4 s, which is longer than a
// request's timeout, so that a request which counts as failed may still take effect.
void set_base_noise(Faults& faults) {
  faults.drift_ppm_max = 5000;
  faults.step_delay_max = milliseconds(50);
  faults.children.workers_stay = true;
  faults.children.ignores_term = 0.5;
  faults.children.run_max = seconds(5);
  faults.children.term_delay_max = seconds(2);
  faults.children.kill_delay_max = milliseconds(100);
  faults.children.report_delay_max = milliseconds(20);
  faults.network.usual_max = milliseconds(20);
  faults.network.slow = 0.02;
  faults.network.slow_max = seconds(4);
  faults.network.duplicate = 0.02;
  faults.aimed = 0.7;
  faults.failover_lag_max = seconds(20);
  faults.replica_clock_off = milliseconds(200);
}

void slow_network(Faults& faults) {
  faults.network.slow = 0.1;
  faults.network.slow_max = seconds(20);
  faults.network.lose_request = 0.02;
  faults.network.lose_reply = 0.02;
}
void leader_crash(Faults& faults) {
  faults.aimed = 1;
  faults.of(FaultKind::kNodeCrash) = {minutes(3), minutes(1)};
}
void clean_stop(Faults& faults) {
  faults.aimed = 1;
  faults.of(FaultKind::kNodeStop) = {minutes(3), minutes(1)};
}
void partition_flaps(Faults& faults) {
  faults.of(FaultKind::kPartition) = {minutes(1), seconds(90)};
}
void daemon_stopped(Faults& faults) {
  faults.of(FaultKind::kDaemonStop) = {minutes(2), seconds(90)};
}
void keeper_stopped(Faults& faults) {
  faults.of(FaultKind::kKeeperStop) = {minutes(2), seconds(90)};
  faults.of(FaultKind::kPartition) = {minutes(3), seconds(90)};
}
void worker_stopped(Faults& faults) {
  faults.of(FaultKind::kWorkerStop) = {minutes(2), seconds(90)};
  faults.of(FaultKind::kPartition) = {minutes(3), seconds(90)};
}
void redis_restart_with_data(Faults& faults) {
  faults.of(FaultKind::kStoreRestart) = {seconds(200), seconds(40)};
}
void redis_restart_data_lost(Faults& faults) {
  faults.of(FaultKind::kStoreDataLoss) = {seconds(200), seconds(5)};
}
void redis_flushed(Faults& faults) {
  faults.of(FaultKind::kStoreFlush) = {seconds(200), seconds(1)};
}
void redis_failover_writes_lost(Faults& faults) {
  faults.of(FaultKind::kStoreFailover) = {seconds(200), seconds(10)};
  faults.of(FaultKind::kNodeStop) = {minutes(10), minutes(1)};  // so that grants are among what is lost
}
void redis_clock_steps(Faults& faults) {
  faults.of(FaultKind::kStoreStep) = {minutes(4), minutes(1)};
}
// A step and its undoing, so close to each other that nobody may have looked between them.
void clock_jitter(Faults& faults) {
  faults.of(FaultKind::kStoreTwoSteps) = {seconds(20), seconds(29)};
}
// The same while nodes do not look: what happened meanwhile has left no trace that they could see.
void unseen_clock_jitter(Faults& faults) {
  clock_jitter(faults);
  faults.aimed = 0.2;
  faults.of(FaultKind::kDaemonStop) = {seconds(40), seconds(60)};
}
// The replica's clock is off as well, so that what has ended long ago may be alive there.
void failover_to_another_clock(Faults& faults) {
  redis_failover_writes_lost(faults);
  faults.of(FaultKind::kStoreFailover) = {seconds(100), seconds(10)};
  faults.of(FaultKind::kPartition) = {minutes(1), seconds(90)};
  faults.replica_clock_off = seconds(40);
}
void slow_acquire(Faults& faults) {
  slow_network(faults);
  faults.network.slow_max = seconds(60);
  faults.of(FaultKind::kStoreStep) = {minutes(1), minutes(1)};
  faults.of(FaultKind::kNodeCrash) = {minutes(3), minutes(1)};
}
void state_lost(Faults& faults) {
  redis_restart_data_lost(faults);
  faults.of(FaultKind::kStoreFailover) = {seconds(200), seconds(10)};
  leader_crash(faults);
  faults.aimed = 0.5;
  faults.state_lost = 0.5;
}
void own_grant(Faults& faults) {
  faults.network.lose_reply = 0.3;
  leader_crash(faults);
}
void everything(Faults& faults) {
  slow_network(faults);
  for (const auto set : {leader_crash, clean_stop, partition_flaps, daemon_stopped, keeper_stopped, worker_stopped,
                         redis_restart_with_data, redis_restart_data_lost, redis_flushed, redis_clock_steps}) {
    set(faults);
  }
  faults.of(FaultKind::kStoreFailover) = {seconds(200), seconds(10)};
  faults.of(FaultKind::kStoreTwoSteps) = {minutes(2), seconds(29)};
  faults.aimed = 0.6;
  faults.state_lost = 0.3;
}
void vm_pause(Faults& faults) {
  faults.of(FaultKind::kMachinePause) = {minutes(2), seconds(90)};
}

Config class_config() {
  Config config;
  config.redis.emplace();
  for (const char* name : {"dedup", "inbox"}) {
    SupervisedConfig& worker = config.supervised.emplace_back();
    worker.name = name;
    worker.job = CommandJob{{"/bin/worker", name}};
  }
  TaskConfig& task = config.tasks.emplace_back();
  task.name = "digest";
  task.interval = seconds(30);
  task.timeout = minutes(1);
  task.run_on = RunOn::kLeader;
  task.job = CommandJob{{"/bin/digest"}};
  return config;
}

}  // namespace

const std::vector<FaultClass>& fault_classes() {
  static const std::vector<FaultClass> kClasses{
      {"slow_network", "10 % of the messages delayed up to 20 s, 2 % lost", slow_network, {}, {}, {}, {}},
      {"leader_crash", "each 3 min, for up to 1 min", leader_crash, kAfterCrash, {}, 26.0, 62.0},
      {"clean_stop", "of the leader, each 3 min, for up to 1 min", clean_stop, kAfterCrash, {}, {}, {}},
      {"partition_flaps", "each minute, for up to 90 s", partition_flaps, kAfterCrash, {}, {}, {}},
      {"daemon_stopped", "SIGSTOP each 2 min, for up to 90 s", daemon_stopped, kAfterCrash, {}, {}, {}},
      {"keeper_stopped", "each 2 min, up to 90 s; partitions each 3 min", keeper_stopped, kAfterCrash, {}, {}, {}},
      {"worker_stopped", "each 2 min, up to 90 s; partitions each 3 min", worker_stopped, kAfterCrash, {}, {}, {}},
      {"redis_restart_with_data", "each 200 s, away up to 40 s", redis_restart_with_data, kAfterDataLoss, {}, {}, {}},
      {"redis_restart_data_lost", "each 200 s, away up to 5 s", redis_restart_data_lost, kAfterDataLoss, 3.7, {}, {}},
      {"redis_flushed", "each 200 s", redis_flushed, kAfterDataLoss, {}, {}, {}},
      {"redis_failover_writes_lost",
       "each 200 s, the last 20 s lost",
       redis_failover_writes_lost,
       kAfterDataLoss,
       {},
       {},
       {}},
      {"redis_clock_steps", "each 4 min, up to 1 min either way", redis_clock_steps, kAfterDataLoss, 0.9, {}, {}},
      {"clock_jitter", "each 20 s a step of up to 29 s back, undone soon", clock_jitter, kAfterDataLoss, {}, {}, {}},
      {"unseen_clock_jitter", "the same, SIGSTOP each 40 s", unseen_clock_jitter, kAfterDataLoss, {}, {}, {}},
      {"failover_to_another_clock",
       "each 100 s, up to 40 s apart; partitions",
       failover_to_another_clock,
       kAfterDataLoss,
       {},
       {},
       {}},
      {"slow_acquire", "10 % delayed up to 60 s, clock steps, crashes", slow_acquire, {}, {}, {}, {}},
      {"state_lost", "crashes, each second without its state; data lost", state_lost, kAfterDataLoss, {}, {}, {}},
      {"own_grant", "30 % of the replies lost, leader crashes", own_grant, {}, {}, {}, {}},
      {"everything", "all of these together", everything, {}, {}, {}, {}},
      {"vm_pause", "each 2 min, for up to 90 s", vm_pause, kAfterCrash, {}, {}, {}},
  };
  return kClasses;
}

const FaultClass* fault_class_named(const std::string& name) {
  const auto& all = fault_classes();
  const auto found =
      std::find_if(all.begin(), all.end(), [&name](const FaultClass& each) { return each.name == name; });
  return found == all.end() ? nullptr : &*found;
}

Options class_options(const FaultClass& fault_class, std::uint64_t seed, const Broken& broken) {
  Options options;
  options.request = {.seed = seed, .length = kLength, .nodes = kNodes, .tasks = 1, .broken = broken};
  options.config = class_config();
  options.calm = kCalm;
  set_base_noise(options.faults);
  fault_class.set(options.faults);
  options.boot_spread = seconds(1);
  options.fixed_node_id = seed % 2 == 0;
  options.recovery_max = fault_class.recovery_max;
  return options;
}

}  // namespace stargazer::sim
