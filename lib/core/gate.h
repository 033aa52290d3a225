// Whether a task that is due may run now, and if not, why not (SPEC section 2.2, beyond).
//
// The gates that the configuration decides are closed for good and belong to core/registry.h. These two are live: a
// configured dependency that cannot be reached, and run_on = "leader" on a node that is not.
#pragma once

#include <array>
#include <string>

#include "core/config.h"
#include "core/time.h"

namespace stargazer {

// What is known of one dependency. One that nobody watches (openrouter, bot_runner, config) is always reachable.
struct DependencyState {
  bool reachable = true;
  Instant since{};    // of the last change
  std::string cause;  // why it is not reachable
};

class Gates {
 public:
  // Everything that is watched starts as unreachable, "not reached yet".
  void watch(Dependency dependency, Instant now);

  // Answers whether this changed anything.
  bool set_reachable(Dependency dependency, bool reachable, const std::string& cause, Instant now);
  // `last_ends_known`: what the leaders before this node ran is known, so that nothing is run again too early.
  void set_leader(bool leader, bool last_ends_known) {
    leader_ = leader;
    last_ends_known_ = last_ends_known;
  }

  bool open(const TaskConfig& task) const;
  // "redis has been unreachable for 3.2 s (connect: Connection refused)", "this node is not the leader".
  // REQUIRES: !open(task).
  std::string closed_reason(const TaskConfig& task, Instant now) const;

 private:
  const DependencyState& state(Dependency dependency) const {
    return dependencies_[static_cast<std::size_t>(dependency)];
  }

  bool may_lead(const TaskConfig& task) const { return task.run_on != RunOn::kLeader || (leader_ && last_ends_known_); }

  std::array<DependencyState, kDependencyCount> dependencies_;
  bool leader_ = false;
  bool last_ends_known_ = false;
};

}  // namespace stargazer
