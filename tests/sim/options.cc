#include "sim/options.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

namespace stargazer::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::array<std::pair<std::string_view, Mutant>, 4> kMutants{{{"two-leaders", Mutant::kTwoLeaders},
                                                                       {"short-ttl", Mutant::kShortTtl},
                                                                       {"immortal", Mutant::kImmortal},
                                                                       {"overlap", Mutant::kOverlap}}};

constexpr std::uint64_t kRetriesSalt = 0x5245545259ULL;

Duration between(Random& random, Duration low, Duration high) {
  return low + random.up_to(high - low);
}

// Uniform on a logarithmic scale, in whole milliseconds, so that short and long ones are equally usual.
Duration log_between(Random& random, Duration low, Duration high) {
  const double stretch = std::pow(to_seconds(high) / to_seconds(low), random.fraction());
  return std::chrono::floor<milliseconds>(std::chrono::duration<double>(to_seconds(low) * stretch));
}

// A fault that is absent in half of the seeds and up to `most` frequent in the others.
double odds(Random& random, double most) {
  return random.chance(0.5) ? most * random.fraction() : 0.0;
}

Disturbance disturbance(Random& random, Duration every_min, Duration length_max) {
  if (random.chance(0.5)) return {};
  return {log_between(random, every_min, 10 * every_min), log_between(random, seconds(1), length_max)};
}

void draw_dependencies(Random& random, Config& config) {
  if (random.chance(0.75)) config.kg.emplace().url = "redis://graph:6379/0";  // also without [redis]
  if (random.chance(0.75)) config.openrouter.emplace();
  if (random.chance(0.75)) config.bot_runner = BotRunnerConfig{"sim:runner"};
}

TaskConfig draw_task(Random& random, std::size_t number, const Config& config) {
  TaskConfig task;
  task.name = "task" + std::to_string(number);
  task.interval = random.chance(0.15) ? log_between(random, seconds(5), seconds(30))
                                      : log_between(random, seconds(30), minutes(10));
  task.initial_delay = random.chance(0.5) ? random.up_to(minutes(1)) : Duration::zero();
  task.jitter = random.chance(0.5) ? random.up_to(task.interval / 4) : Duration::zero();
  task.timeout = log_between(random, seconds(20), minutes(2));
  task.stop_grace = between(random, milliseconds(500), config.scheduler.stop_deadline - milliseconds(100));
  for (const Dependency dependency :
       {Dependency::kRedis, Dependency::kKg, Dependency::kOpenrouter, Dependency::kBotRunner, Dependency::kConfig}) {
    if (random.chance(0.15)) task.dependencies.insert(dependency);
  }
  if (random.chance(0.4)) task.pool = random.chance(0.5) ? "a" : "b";
  if (random.chance(0.3)) task.run_on = RunOn::kLeader;
  task.enabled = !random.chance(0.05);
  task.job = CommandJob{{"/bin/job", task.name}};
  return task;
}

SupervisedConfig draw_worker(Random& random, std::size_t number) {
  SupervisedConfig worker;
  worker.name = "worker" + std::to_string(number);
  if (random.chance(0.5)) worker.stop_grace = between(random, milliseconds(200), seconds(8));
  worker.job = CommandJob{{"/bin/worker", worker.name}};
  return worker;
}

Config draw_config(Random& random, std::uint32_t task_count) {
  constexpr std::array<seconds, 4> kTtls{seconds(10), seconds(15), seconds(30), seconds(60)};
  Config config;
  if (!random.chance(0.06)) config.redis.emplace();
  draw_dependencies(random, config);
  config.scheduler.max_concurrent_runs = static_cast<std::uint32_t>(1 + random.below(16));
  config.scheduler.stop_deadline = between(random, seconds(10), seconds(40));
  config.scheduler.drain_deadline = between(random, milliseconds(100), milliseconds(1500));
  config.pools["a"].limit = static_cast<std::uint32_t>(1 + random.below(2));
  config.pools["b"].limit = static_cast<std::uint32_t>(1 + random.below(4));
  config.lease.ttl = kTtls[random.below(kTtls.size())];
  for (std::size_t number = 1; number <= task_count; ++number) {
    config.tasks.push_back(draw_task(random, number, config));
  }
  for (std::size_t number = 1; number <= 2; ++number) config.supervised.push_back(draw_worker(random, number));
  return config;
}

// By a stream of its own, so that everything else of a seed stays as it was before tasks had retries.
void draw_retries(Random random, Config& config) {
  for (TaskConfig& task : config.tasks) {
    if (!random.chance(0.4)) continue;
    task.retries = static_cast<std::uint32_t>(1 + random.below(4));
    task.retry_backoff = log_between(random, milliseconds(500), seconds(30));
  }
}

ChildOdds draw_child_odds(Random& random, Duration margin) {
  ChildOdds children;
  children.spawn_fails = odds(random, 0.2);
  children.skips = odds(random, 0.2);
  children.crashes = odds(random, 0.6);
  children.dies_by_signal = odds(random, 0.2);
  children.hangs = odds(random, 0.2);
  children.ignores_term = odds(random, 1.0);
  children.closes_early = odds(random, 0.5);
  children.holds_output = odds(random, 0.5);
  children.run_max = log_between(random, milliseconds(100), minutes(1));
  children.worker_run_max = log_between(random, seconds(1), minutes(5));
  children.term_delay_max = log_between(random, milliseconds(1), seconds(5));
  // A margin leaves this much for the death by KILL; the rest is for the rates of the clocks and late event loops.
  children.kill_delay_max = random.up_to(std::min<Duration>(margin / 4, seconds(1)));
  children.report_delay_max = random.up_to(milliseconds(200));
  return children;
}

NetworkOdds draw_network_odds(Random& random, const LeaseTimes& times) {
  NetworkOdds network;
  network.usual_max = log_between(random, milliseconds(1), milliseconds(100));
  network.slow = odds(random, 0.2);
  network.slow_max = between(random, times.request_timeout / 2, times.request_timeout * 4);
  network.lose_request = odds(random, 0.2);
  network.lose_reply = odds(random, 0.2);
  network.duplicate = odds(random, 0.2);
  network.error = odds(random, 0.1);
  return network;
}

void draw_disturbances(Random& random, const LeaseTimes& times, Faults& faults) {
  faults.of(FaultKind::kPartition) = disturbance(random, seconds(10), minutes(3));
  faults.of(FaultKind::kStoreRestart) = disturbance(random, minutes(2), minutes(1));
  faults.of(FaultKind::kStoreDataLoss) = disturbance(random, minutes(2), seconds(20));
  faults.of(FaultKind::kStoreFlush) = disturbance(random, minutes(3), seconds(1));
  faults.of(FaultKind::kStoreFailover) = disturbance(random, minutes(2), seconds(20));
  faults.of(FaultKind::kStoreStep) = disturbance(random, minutes(1), 3 * times.ttl);
  faults.of(FaultKind::kStoreTwoSteps) = disturbance(random, minutes(1), times.ttl);
  faults.of(FaultKind::kDependencyFlap) = disturbance(random, seconds(3), minutes(5));
  faults.of(FaultKind::kNodeStop) = disturbance(random, minutes(1), minutes(1));
  faults.of(FaultKind::kNodeCrash) = disturbance(random, minutes(1), minutes(1));
  faults.of(FaultKind::kDaemonStop) = disturbance(random, minutes(1), 3 * times.ttl);
  faults.of(FaultKind::kKeeperStop) = disturbance(random, minutes(2), 3 * times.ttl);
  faults.of(FaultKind::kWorkerStop) = disturbance(random, minutes(1), 3 * times.ttl);
  if (random.chance(0.1)) faults.of(FaultKind::kMachinePause) = disturbance(random, minutes(2), 3 * times.ttl);
  faults.aimed = 0.7 * random.fraction();
  faults.state_lost = odds(random, 0.5);
  faults.failover_lag_max = between(random, seconds(1), times.ttl);
  faults.replica_clock_off = random.up_to(milliseconds(500));
}

Faults draw_faults(Random& random, const LeaseTimes& times) {
  Faults faults;
  faults.drift_ppm_max = random.chance(0.5) ? 5000 : 50;  // 0.5 %, the most that LEASE.md section 3.6 allows for
  faults.step_delay_max = random.up_to(times.margin() / 8);
  faults.children = draw_child_odds(random, times.margin());
  faults.network = draw_network_odds(random, times);
  faults.second_stop = odds(random, 0.5);
  draw_disturbances(random, times, faults);
  return faults;
}

std::string line_of(const char* name, double odds_of_it) {
  if (odds_of_it == 0.0) return "";
  return std::string(" ") + name + "=" + std::to_string(odds_of_it);
}

std::string describe_disturbances(const Faults& faults) {
  std::string text = "disturbances";
  for (std::size_t place = 0; place < kFaultKindCount; ++place) {
    const Disturbance& disturbance = faults.disturbances[place];
    if (disturbance.every == Duration::zero()) continue;
    text.append(" ").append(name_of(static_cast<FaultKind>(place))).append("=");
    text.append(format_duration(disturbance.every)).append("/").append(format_duration(disturbance.length_max));
  }
  return text + line_of("second_stop", faults.second_stop) + line_of("aimed", faults.aimed) +
         line_of("state_lost", faults.state_lost);
}

std::string describe_children(const ChildOdds& children) {
  return "children" + line_of("spawn_fails", children.spawn_fails) + line_of("skips", children.skips) +
         line_of("crashes", children.crashes) + line_of("dies_by_signal", children.dies_by_signal) +
         line_of("hangs", children.hangs) + line_of("ignores_term", children.ignores_term) +
         line_of("closes_early", children.closes_early) + line_of("holds_output", children.holds_output) +
         " run_max=" + format_duration(children.run_max) +
         " worker_run_max=" + format_duration(children.worker_run_max) +
         " term_delay_max=" + format_duration(children.term_delay_max) +
         " kill_delay_max=" + format_duration(children.kill_delay_max) +
         " report_delay_max=" + format_duration(children.report_delay_max);
}

std::string describe_network(const NetworkOdds& network) {
  return "network usual_max=" + format_duration(network.usual_max) + line_of("slow", network.slow) +
         " slow_max=" + format_duration(network.slow_max) + line_of("lose_request", network.lose_request) +
         line_of("lose_reply", network.lose_reply) + line_of("duplicate", network.duplicate) +
         line_of("error", network.error);
}

}  // namespace

const char* name_of(FaultKind kind) {
  constexpr std::array<const char*, kFaultKindCount> kNames{
      "partition",   "store_restart",   "store_data_loss", "store_flush",  "store_failover",
      "store_step",  "store_two_steps", "dependency_flap", "node_stop",    "node_crash",
      "daemon_stop", "keeper_stop",     "worker_stop",     "machine_pause"};
  return kNames[static_cast<std::size_t>(kind)];
}

bool overlaps_happen(const Faults& faults) {
  return faults.of(FaultKind::kMachinePause).every > Duration::zero();
}

bool parse_mutant(const std::string& name, Mutant& mutant) {
  for (const auto& [known, value] : kMutants) {
    if (known != name) continue;
    mutant = value;
    return true;
  }
  return false;
}

Options draw_options(const Request& request) {
  Random random(request.seed);
  Options options;
  options.request = request;
  options.config = draw_config(random, request.tasks);
  draw_retries(Random(request.seed ^ kRetriesSalt), options.config);
  options.calm = request.length / 3;
  options.faults = draw_faults(random, lease_times(options.config.lease));
  options.fixed_node_id = random.chance(0.5);
  return options;
}

Faults calm_faults(const Faults& faults) {
  Faults calm;
  calm.drift_ppm_max = faults.drift_ppm_max;
  calm.step_delay_max = faults.step_delay_max;
  calm.children.run_max = std::min<Duration>(faults.children.run_max, seconds(5));
  calm.children.worker_run_max = faults.children.worker_run_max;
  calm.children.term_delay_max = std::min<Duration>(faults.children.term_delay_max, milliseconds(100));
  calm.children.workers_stay = faults.children.workers_stay;
  calm.children.kill_delay_max = faults.children.kill_delay_max;
  calm.children.report_delay_max = faults.children.report_delay_max;
  calm.network.usual_max = std::min<Duration>(faults.network.usual_max, milliseconds(10));
  return calm;
}

std::string describe(const Options& options) {
  const Config& config = options.config;
  const Faults& faults = options.faults;
  return "seed " + std::to_string(options.request.seed) + ": " + std::to_string(options.request.nodes) + " nodes, " +
         std::to_string(config.tasks.size()) + " tasks, " + format_duration(options.request.length) + ", calm for " +
         format_duration(options.calm) + "\n  config" + (config.redis ? "" : " standalone") +
         " ttl=" + format_duration(config.lease.ttl) +
         " max_concurrent_runs=" + std::to_string(config.scheduler.max_concurrent_runs) +
         " stop_deadline=" + format_duration(config.scheduler.stop_deadline) +
         " drain_deadline=" + format_duration(config.scheduler.drain_deadline) +
         " drift_ppm_max=" + std::to_string(faults.drift_ppm_max) +
         " step_delay_max=" + format_duration(faults.step_delay_max) + "\n  " + describe_children(faults.children) +
         "\n  " + describe_network(faults.network) + "\n  " + describe_disturbances(faults);
}

}  // namespace stargazer::sim
