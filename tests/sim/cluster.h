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

class Cluster {
 public:
  Cluster(const Options& options, Trace::Sink sink);
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // Runs to the end, or to the first violation, which is in verdict() then.
  void run();
  const Verdict& verdict() const { return world_.verdict; }
  // Of all supervisors together.
  std::uint64_t steps() const;

 private:
  using Upset = void (Cluster::*)(Node& node, Duration length);

  std::unique_ptr<Node> make_node(std::size_t index);
  void boot(Node& node);
  void boot_later(Node& node);
  void announce(Node& node, Dependency dependency, bool reachable);

  void disturb(Node& node, const Disturbance& disturbance, Upset upset);
  void cut_off(Node& node, Duration length);
  void restart_store(Node& node, Duration length);
  void flap(Node& node, Duration length);
  void stop(Node& node, Duration length);
  void crash(Node& node, Duration length);

  void begin_faults();
  void begin_calm();
  void heal(Node& node);
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
  bool calm_ = false;
  bool ending_ = false;
};

}  // namespace stargazer::sim
