#include "sim/stage.h"

#include <algorithm>
#include <utility>

namespace stargazer::sim {
namespace {

// Every story draws the same jitter.
constexpr std::uint64_t kSeed = 1;
// A child of a story dies of KILL within this.
constexpr Duration kKillLatencyMax = std::chrono::seconds(1);

}  // namespace

Stage::Stage(const Config& config, std::size_t nodes, bool machines_pause,
             const std::map<std::string, ChildPlan>& plans, Trace::Sink sink)
    : config_(config),
      registry_(build_registry(config_, [](const Job&) { return std::string(); })),
      world_(kSeed, Broken{}, std::move(sink)),
      watch_(world_, nodes, config.redis.has_value(), machines_pause) {
  if (config_.redis) server_ = std::make_unique<StoreServer>(world_, config_.lease.ttl, 0);
  for (std::size_t index = 0; index < nodes; ++index) {
    const Rate rate{std::chrono::hours(1), 0};
    nodes_.push_back(std::make_unique<Node>(NodeParts{world_, watch_, server_.get(), config_, registry_}, index, rate,
                                            [&plans](const std::string& name) { return plans.at(name); }));
    nodes_.back()->checker().set_kill_latency_max(kKillLatencyMax);
  }
}

void Stage::boot(Node& node) {
  node.boot(Duration::zero());
  if (config_.kg) node.post(DependencyChanged{Dependency::kKg, true, ""});
}

void Stage::run(Duration length) {
  const TrueTime until = world_.timeline.now() + length;
  while (world_.verdict.ok() && world_.timeline.serve_next(until)) {
  }
}

bool Stage::run_until_leader(Duration length_max) {
  const TrueTime until = world_.timeline.now() + length_max;
  while (world_.verdict.ok() && !any_leader() && world_.timeline.serve_next(until)) {
  }
  return any_leader();
}

bool Stage::any_leader() const {
  return std::any_of(nodes_.begin(), nodes_.end(), [](const auto& node) { return node->leader(); });
}

Node* Stage::node(const std::string& name) {
  const auto found =
      std::find_if(nodes_.begin(), nodes_.end(), [&name](const auto& node) { return node->name() == name; });
  return found == nodes_.end() ? nullptr : found->get();
}

}  // namespace stargazer::sim
