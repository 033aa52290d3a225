#include "sim/cluster_watch.h"

#include <algorithm>

namespace stargazer::sim {

void ClusterWatch::worker_started(std::size_t node, const std::string& name) {
  for (std::size_t other = 0; exclusive_ && !overlaps_happen_ && other < alive_.size(); ++other) {
    if (other == node || alive_[other] == 0 || alive_[node] > 0) continue;
    world_.findings.found(Invariant::kOneActiveSet, "n" + std::to_string(node + 1),
                          "started " + name + " while workers of the lease live on n" + std::to_string(other + 1));
  }
  if (++alive_[node] == 1) sets_are(active_sets_ + 1);
}

void ClusterWatch::worker_gone(std::size_t node) {
  if (--alive_[node] == 0) sets_are(active_sets_ - 1);
}

void ClusterWatch::sets_are(std::size_t active_sets) {
  const TrueTime now = world_.timeline.now();
  const std::size_t before = std::exchange(active_sets_, active_sets);
  if (before == 1 && active_sets == 2) overlap_since_ = now;
  // Two sets within one instant are two nodes in turn.
  if (before == 2 && active_sets == 1 && now > overlap_since_) {
    ++overlaps_;
    longest_overlap_ = std::max<Duration>(longest_overlap_, now - overlap_since_);
  }
  if (before == 1 && active_sets == 0) {
    idle_since_ = now;
    if (now - active_since_ > kMomentMax) missing_since_ = now;
  }
  if (before == 0 && active_sets == 1) {
    active_since_ = now;
    idle_ += now - idle_since_;
    if (was_active_ && now > idle_since_) gaps_.push_back(now - idle_since_);
    was_active_ = true;
  }
}

void ClusterWatch::end() {
  if (active_sets_ == 0) idle_ += world_.timeline.now() - idle_since_;
  if (active_sets_ > 1) longest_overlap_ = std::max<Duration>(longest_overlap_, world_.timeline.now() - overlap_since_);
}

}  // namespace stargazer::sim
