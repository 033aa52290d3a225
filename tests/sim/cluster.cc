#include "sim/cluster.h"

#include <algorithm>
#include <utility>

namespace stargazer::sim {
namespace {

using std::chrono::seconds;

// Between the stream of the options and that of the world.
constexpr std::uint64_t kWorldSalt = 0x5354415247415a45ULL;
constexpr Duration kKillLatencyMax = std::chrono::milliseconds(50);

Registry everything_runs(const Config& config) {
  return build_registry(config, [](const Job&) { return std::string(); });
}

Rate draw_rate(Random& random, std::int64_t drift_ppm_max) {
  const auto steps = static_cast<std::uint64_t>(2 * drift_ppm_max + 1);
  return {std::chrono::hours(1) + random.up_to(std::chrono::hours(2400)),
          static_cast<std::int64_t>(random.below(steps)) - drift_ppm_max};
}

}  // namespace

bool configured(const Config& config, Dependency dependency) {
  switch (dependency) {
    case Dependency::kRedis: return config.redis.has_value();
    case Dependency::kKg: return config.kg.has_value();
    case Dependency::kOpenrouter: return config.openrouter.has_value();
    case Dependency::kBotRunner: return config.bot_runner.has_value();
    case Dependency::kConfig: return false;
  }
  return false;
}

Cluster::Cluster(const Options& options, Trace::Sink sink)
    : options_(options),
      registry_(everything_runs(options_.config)),
      world_(options.request.seed ^ kWorldSalt, options.request.broken, std::move(sink)),
      faults_(options.faults),
      watch_(world_, options.request.nodes, options.config.redis.has_value(), overlaps_happen(options.faults)) {
  if (options_.config.redis) {
    server_ = std::make_unique<StoreServer>(world_, options_.config.lease.ttl,
                                            draw_rate(world_.random, faults_.drift_ppm_max).drift_ppm);
  }
  for (std::size_t index = 0; index < options.request.nodes; ++index) nodes_.push_back(make_node(index));
}

std::unique_ptr<Node> Cluster::make_node(std::size_t index) {
  const auto plan = [this](const std::string& name) {
    const bool supervised = std::any_of(options_.config.supervised.begin(), options_.config.supervised.end(),
                                        [&name](const SupervisedConfig& worker) { return worker.name == name; });
    return draw_child_plan(faults_.children, supervised, world_.random);
  };
  auto node = std::make_unique<Node>(NodeParts{world_, watch_, server_.get(), options_.config, registry_}, index,
                                     draw_rate(world_.random, faults_.drift_ppm_max), plan);
  node->set_step_delay_max(faults_.step_delay_max);
  node->set_fixed_id(options_.fixed_node_id);
  node->checker().set_kill_latency_max(faults_.children.kill_delay_max + 2 * faults_.step_delay_max + kKillLatencyMax);
  if (server_) node->store().set_odds(faults_.network);
  node->on_stopped([this, node = node.get()] { boot_later(*node); });
  return node;
}

std::uint64_t Cluster::steps() const {
  std::uint64_t sum = 0;
  for (const auto& node : nodes_) sum += node->steps();
  return sum;
}

std::uint64_t Cluster::lease_requests() const {
  std::uint64_t sum = 0;
  for (const auto& node : nodes_) sum += node->store().requests_sent();
  return sum;
}

void Cluster::boot(Node& node) {
  if (node.up() || ending_) return;
  // Whoever would start it stands still as well, and so do those that the one before left behind.
  if (node.stands_still()) return node.after(kDownMin, [this, &node] { boot(node); });
  node.boot(world_.random.up_to(options_.boot_spread / 2));
  for (const Dependency dependency : kAnnounced) {
    if (!configured(options_.config, dependency)) continue;
    const Duration delay = world_.random.up_to(seconds(2));
    world_.timeline.after(delay, [this, &node, dependency] { announce(node, dependency, true); });
  }
}

void Cluster::boot_later(Node& node) {
  const Duration down = calm_ ? Duration::zero() : world_.random.up_to(faults_.of(FaultKind::kNodeStop).length_max);
  fault_lasts(kDownMin + down, [this, &node] { boot(node); });
}

void Cluster::announce(Node& node, Dependency dependency, bool reachable) {
  node.post(DependencyChanged{dependency, reachable, reachable ? "" : "connect: Connection refused"});
}

void Cluster::begin_faults() {
  for (const auto& node : nodes_) {
    world_.timeline.after(world_.random.up_to(options_.boot_spread), [this, &node = *node] { boot(node); });
  }
  for (std::size_t kind = 0; kind < kFaultKindCount; ++kind) disturb(static_cast<FaultKind>(kind));
}

void Cluster::begin_calm() {
  world_.tell("calm", [] { return "begins"; });
  calm_ = true;
  faults_ = calm_faults(options_.faults);
  if (server_) server_->recover();
  for (const auto& node : nodes_) heal(*node);
  faults_in_force_ = 0;
  expect_recovery();
}

void Cluster::serve_until(TrueTime when) {
  while (world_.verdict.ok() && world_.timeline.serve_next(when)) {
  }
}

void Cluster::check_one_leader() {
  if (!server_ || !world_.verdict.ok()) return;
  const auto leaders = std::count_if(nodes_.begin(), nodes_.end(), [](const auto& node) { return node->leader(); });
  if (leaders != 1) world_.verdict.violated("calm", std::to_string(leaders) + " leaders two ttl after the faults");
}

void Cluster::stop_all() {
  ending_ = true;
  for (const auto& node : nodes_) {
    if (!node->stopping()) node->post(StopRequested{"the end"});
  }
}

void Cluster::run() {
  const TrueTime length = options_.request.length;
  const Duration stop_time = options_.config.scheduler.stop_deadline + options_.faults.step_delay_max + seconds(1);
  for (const ConfigProblem& problem : check_relations(options_.config)) {
    world_.verdict.violated("config", problem.key + " " + problem.problem);
  }
  begin_faults();
  serve_until(length - options_.calm);
  if (!world_.verdict.ok()) return;
  begin_calm();
  // A node that was stopping when the faults ended may keep the lease until it has stopped.
  serve_until(length - options_.calm + stop_time + options_.faults.network.slow_max + 2 * options_.config.lease.ttl +
              lease_times(options_.config.lease).heartbeat);
  check_one_leader();
  serve_until(length);
  check_one_leader();
  for (const auto& node : nodes_) {
    if (node->up() && !node->stopping()) node->checker().check_progress(node->supervisor(), options_.calm);
  }
  watch_.end();
  if (!world_.verdict.ok()) return;
  stop_all();
  serve_until(length + stop_time);
  for (const auto& node : nodes_) {
    if (world_.verdict.ok() && node->up()) world_.verdict.violated(node->name(), "has not stopped in time");
  }
}

}  // namespace stargazer::sim
