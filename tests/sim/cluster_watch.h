// What no node can see alone: the workers of the lease live on one node at a time, at any instant of true time. They
// are the supervised workers and the runs of tasks with run_on = "leader".
#pragma once

#include <string>
#include <vector>

#include "sim/world.h"

namespace stargazer::sim {

class ClusterWatch {
 public:
  // What is shorter is a moment.
  static constexpr Duration kMomentMax = std::chrono::seconds(5);

  // `exclusive` is false when every node is its own leader, because there is no Redis. `overlaps_happen`: a pause of a
  // whole machine makes them, against which only the fence helps (I3); they are counted, and no finding.
  ClusterWatch(World& world, std::size_t nodes, bool exclusive, bool overlaps_happen)
      : world_(world), alive_(nodes), exclusive_(exclusive), overlaps_happen_(overlaps_happen) {}

  void worker_started(std::size_t node, const std::string& name);
  void worker_gone(std::size_t node);
  // Closes what is still open. To be called once, at the end of what is to be measured.
  void end();

  int alive(std::size_t node) const { return alive_[node]; }
  bool exclusive() const { return exclusive_; }
  std::size_t active_sets() const { return active_sets_; }
  // How long there has been no active worker, but for moments: workers that start and die are no recovery. 0 while
  // there is one.
  Duration missing_for() const { return active_sets_ > 0 ? Duration::zero() : world_.timeline.now() - missing_since_; }

  std::uint64_t overlaps() const { return overlaps_; }
  Duration longest_overlap() const { return longest_overlap_; }
  // Time without any active worker, from the beginning to end().
  Duration idle() const { return idle_; }
  // Each such stretch after the first, by its length.
  const std::vector<Duration>& gaps() const { return gaps_; }

 private:
  void sets_are(std::size_t active_sets);

  World& world_;
  std::vector<int> alive_;
  bool exclusive_;
  bool overlaps_happen_;
  std::size_t active_sets_ = 0;
  TrueTime idle_since_{};
  TrueTime active_since_{};
  TrueTime missing_since_{};
  TrueTime overlap_since_{};
  std::uint64_t overlaps_ = 0;
  Duration longest_overlap_{};
  Duration idle_{};
  std::vector<Duration> gaps_;
  bool was_active_ = false;
};

}  // namespace stargazer::sim
