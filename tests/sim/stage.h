// Where a story plays: nodes, store and children without any chance. Clocks run at the rate of true time, messages
// take no time, and a child does what its task's plan says.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/registry.h"
#include "sim/node.h"
#include "sim/world.h"

namespace stargazer::sim {

class Stage {
 public:
  // `machines_pause`: two active sets of workers are then no violation. `plans` says how the children of each task
  // behave from now on; it may change, and must outlive the stage.
  Stage(const Config& config, std::size_t nodes, bool machines_pause, const std::map<std::string, ChildPlan>& plans,
        Trace::Sink sink);
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // Starts a node and tells it that every dependency which is configured can be reached.
  void boot(Node& node);
  void run(Duration length);
  // Runs until a node leads, `length_max` at the most; answers whether one does.
  bool run_until_leader(Duration length_max);

  // By name, as "n1"; null when there is no such node.
  Node* node(const std::string& name);
  std::vector<std::unique_ptr<Node>>& nodes() { return nodes_; }
  StoreServer* server() { return server_.get(); }
  const Verdict& verdict() const { return world_.verdict; }

 private:
  bool any_leader() const;

  const Config config_;
  const Registry registry_;
  World world_;
  ClusterWatch watch_;
  std::unique_ptr<StoreServer> server_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace stargazer::sim
