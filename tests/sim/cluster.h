// A whole run: the nodes and the store that a seed describes, the faults that befall them, the calm that follows, and
// the stop at the end.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>

#include "core/registry.h"
#include "sim/node.h"
#include "sim/options.h"
#include "sim/world.h"

namespace stargazer::sim {

// What a cluster announces to its nodes; whether the store can be reached is told by its connections.
inline constexpr std::array kAnnounced{Dependency::kKg, Dependency::kOpenrouter, Dependency::kBotRunner};
bool configured(const Config& config, Dependency dependency);

// A daemon that has gone comes back later than its children have left.
inline constexpr Duration kDownMin = std::chrono::seconds(2);

class Cluster {
 public:
  Cluster(const Options& options, Trace::Sink sink);
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // Runs to the end, or to the first violation, which is in verdict() then.
  void run();
  const Verdict& verdict() const { return world_.verdict; }
  const ClusterWatch& watch() const { return watch_; }
  const Findings& findings() const { return world_.findings; }
  // Of all supervisors together.
  std::uint64_t steps() const;

  // Of all nodes together, since the beginning.
  std::uint64_t lease_requests() const;

 private:
  std::unique_ptr<Node> make_node(std::size_t index);
  void boot(Node& node);
  void boot_later(Node& node);
  void announce(Node& node, Dependency dependency, bool reachable);

  // ---- cluster_faults.cc ----
  void disturb(FaultKind kind);
  void upset(FaultKind kind, Duration length);
  void upset_store(FaultKind kind, Duration length);
  void upset_node(FaultKind kind, Node& node, Duration length);
  Node& victim();
  void cut_off(Node& node, Duration length);
  void flap(Node& node, Duration length);
  void stop(Node& node, Duration length);
  void crash(Node& node, Duration length);
  void fault_lasts(Duration length, Timeline::Action end);
  void fault_ends();
  void expect_recovery();
  enum class Look { kFirst, kStretch, kSecond };
  void judge_recovery(Look look, Duration delay);
  void recovery_missed();
  void heal(Node& node);

  void begin_faults();
  void begin_calm();
  void serve_until(TrueTime when);
  void check_one_leader();
  void stop_all();

  const Options options_;
  const Registry registry_;
  World world_;
  Faults faults_;  // in force
  ClusterWatch watch_;
  std::unique_ptr<StoreServer> server_;
  std::deque<std::unique_ptr<Node>> nodes_;
  std::uint64_t faults_begun_ = 0;
  int faults_in_force_ = 0;
  bool calm_ = false;
  bool ending_ = false;
};

}  // namespace stargazer::sim
