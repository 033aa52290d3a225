#include "sim/herd.h"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <memory>
#include <vector>

#include "core/registry.h"
#include "sim/fault_class.h"
#include "sim/node.h"

namespace stargazer::sim {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t kNodes = 50;
constexpr TrueTime kGoes = minutes(5);
constexpr TrueTime kReturns = minutes(15);
constexpr TrueTime kEnd = minutes(20);

// The bounds. A follower looks each 3 s and a node that has lost its connection tries each 5 to 10 s; what happens
// beside that, a renewal or a reply to news, must not make it more than one in a second for as long as this.
constexpr Duration kWindow = seconds(10);
constexpr std::size_t kPerWindowMax = 10;
// The nodes come back over the 10 s that their pauses last, each with a look at the lease: 7 and 25 in the busiest
// second would be usual, if nothing brings them into step.
constexpr double kBackInOneSecondMax = 0.4;
constexpr double kAskInOneSecondMax = 0.8;
// T + poll, and the longest pause between two attempts to connect.
constexpr Duration kLeaderWithin = seconds(30) + seconds(4) + seconds(10);

class Herd {
 public:
  explicit Herd(std::uint64_t seed);
  // False when a bound is broken; says which.
  bool run();

 private:
  void add_node(std::size_t index);
  void serve_until(TrueTime when);
  std::size_t leaders() const;
  // Of one node: the most in any stretch of kWindow.
  std::size_t busiest_window(const std::vector<TrueTime>& traffic) const;
  void judge(bool held, const char* bound);

  const Options options_;
  const Registry registry_;
  World world_;
  ClusterWatch watch_;
  StoreServer server_;
  std::deque<std::unique_ptr<Node>> nodes_;
  std::vector<std::vector<TrueTime>> traffic_;  // of each node
  bool held_ = true;
};

Rate draw_rate(Random& random) {
  constexpr std::int64_t kDriftPpmMax = 5000;
  return {random.up_to(std::chrono::hours(1000)),
          static_cast<std::int64_t>(random.below(2 * kDriftPpmMax)) - kDriftPpmMax};
}

Herd::Herd(std::uint64_t seed)
    : options_(class_options(*fault_class_named("redis_restart_with_data"), seed, {})),
      registry_(build_registry(options_.config, [](const Job&) { return std::string(); })),
      world_(seed, {}, nullptr),
      watch_(world_, kNodes, true, false),
      server_(world_, options_.config.lease.ttl, 0),
      traffic_(kNodes) {
  for (std::size_t index = 0; index < kNodes; ++index) add_node(index);
}

void Herd::add_node(std::size_t index) {
  const auto plan = [this](const std::string& name) {
    return draw_child_plan(options_.faults.children, name != options_.config.tasks.front().name, world_.random);
  };
  nodes_.push_back(std::make_unique<Node>(NodeParts{world_, watch_, &server_, options_.config, registry_}, index,
                                          draw_rate(world_.random), plan));
  Node& node = *nodes_.back();
  node.set_step_delay_max(options_.faults.step_delay_max);
  node.checker().set_kill_latency_max(seconds(1));
  node.store().set_odds(options_.faults.network);
  node.store().on_traffic([this, index] { traffic_[index].push_back(world_.timeline.now()); });
  world_.timeline.after(world_.random.up_to(seconds(5)), [&node] { node.boot(Duration::zero()); });
}

void Herd::serve_until(TrueTime when) {
  while (world_.verdict.ok() && world_.timeline.serve_next(when)) {
  }
}

std::size_t Herd::leaders() const {
  return static_cast<std::size_t>(
      std::count_if(nodes_.begin(), nodes_.end(), [](const auto& node) { return node->leader(); }));
}

std::size_t Herd::busiest_window(const std::vector<TrueTime>& traffic) const {
  std::size_t most = 0;
  std::size_t first = 0;
  for (std::size_t last = 0; last < traffic.size(); ++last) {
    while (traffic[last] - traffic[first] >= kWindow) ++first;
    most = std::max(most, last - first + 1);
  }
  return most;
}

void Herd::judge(bool held, const char* bound) {
  if (!held) std::printf("herd: VIOLATED: %s\n", bound);
  held_ = held_ && held;
}

bool Herd::run() {
  serve_until(kGoes);
  judge(leaders() == 1, "one leader before Redis goes away");
  server_.restart(kReturns - kGoes, false);
  serve_until(kReturns + kLeaderWithin);
  judge(leaders() == 1, "one leader when Redis has been back for T + poll + the longest pause");
  serve_until(kEnd);
  judge(leaders() == 1, "one leader at the end");
  std::size_t busiest = 0;
  std::vector<std::size_t> back(60);  // nodes by the second of their first contact
  std::vector<std::size_t> asked(60);
  for (const std::vector<TrueTime>& traffic : traffic_) {
    busiest = std::max(busiest, busiest_window(traffic));
    bool is_back = false;
    for (const TrueTime when : traffic) {
      const auto second = static_cast<std::size_t>(std::max<Duration>(when - kReturns, Duration::zero()) / seconds(1));
      if (when < kReturns || second >= asked.size()) continue;
      ++asked[second];
      if (!std::exchange(is_back, true)) ++back[second];
    }
  }
  const std::size_t most_back = *std::max_element(back.begin(), back.end());
  const std::size_t most_asked = *std::max_element(asked.begin(), asked.end());
  std::printf("herd: %zu nodes, Redis away for 10 min: at most %.1f messages a second from a node over %d s\n", kNodes,
              static_cast<double>(busiest) / to_seconds(kWindow), static_cast<int>(to_seconds(kWindow)));
  std::printf("herd: nodes back in each second after the return:");
  for (std::size_t second = 0; second < 12; ++second) std::printf(" %zu", back[second]);
  std::printf(" (at most %zu)\nherd: messages in each second after the return:", most_back);
  for (std::size_t second = 0; second < 12; ++second) std::printf(" %zu", asked[second]);
  std::printf(" … (at most %zu); leaders: %zu\n", most_asked, leaders());
  judge(busiest <= kPerWindowMax, "a node sends more than one message a second");
  judge(static_cast<double>(most_back) <= kBackInOneSecondMax * kNodes, "too many nodes come back in one second");
  judge(static_cast<double>(most_asked) <= kAskInOneSecondMax * kNodes, "too many messages in one second");
  judge(world_.verdict.ok(), world_.verdict.violation().c_str());
  return held_;
}

}  // namespace

bool run_herd(std::uint64_t seed) {
  return Herd(seed).run();
}

}  // namespace stargazer::sim
