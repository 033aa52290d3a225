// The one rule that no node can see alone: the workers of the lease live on one node at a time, at any instant of true
// time. They are the supervised workers and the runs of tasks with run_on = "leader".
#pragma once

#include <string>
#include <vector>

#include "sim/world.h"

namespace stargazer::sim {

class ClusterWatch {
 public:
  // `exclusive` is false when every node is its own leader, because there is no Redis.
  ClusterWatch(World& world, std::size_t nodes, bool exclusive) : world_(world), alive_(nodes), exclusive_(exclusive) {}

  void worker_started(std::size_t node, const std::string& name) {
    for (std::size_t other = 0; exclusive_ && other < alive_.size(); ++other) {
      if (other == node || alive_[other] == 0) continue;
      world_.verdict.violated("n" + std::to_string(node + 1),
                              "started " + name + " while workers of the lease live on n" + std::to_string(other + 1));
    }
    ++alive_[node];
  }
  void worker_gone(std::size_t node) { --alive_[node]; }
  int alive(std::size_t node) const { return alive_[node]; }
  bool exclusive() const { return exclusive_; }

 private:
  World& world_;
  std::vector<int> alive_;
  bool exclusive_;
};

}  // namespace stargazer::sim
