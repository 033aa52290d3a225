#include "core/gate.h"

#include <cassert>

namespace stargazer {

void Gates::watch(Dependency dependency, Instant now) {
  dependencies_[static_cast<std::size_t>(dependency)] = {false, now, "not reached yet"};
}

bool Gates::set_reachable(Dependency dependency, bool reachable, const std::string& cause, Instant now) {
  DependencyState& state = dependencies_[static_cast<std::size_t>(dependency)];
  const bool changed = state.reachable != reachable;
  if (changed) state.since = now;
  state.reachable = reachable;
  state.cause = cause;
  return changed;
}

bool Gates::open(const TaskConfig& task) const {
  if (!may_lead(task)) return false;
  for (std::size_t place = 0; place < kDependencyCount; ++place) {
    if (task.dependencies.contains(static_cast<Dependency>(place)) && !dependencies_[place].reachable) return false;
  }
  return true;
}

std::string Gates::closed_reason(const TaskConfig& task, Instant now) const {
  assert(!open(task));
  std::string reason;
  for (const Dependency dependency : task.dependencies.members()) {
    const DependencyState& found = state(dependency);
    if (found.reachable) continue;
    if (!reason.empty()) reason += "; ";
    reason += std::string(name_of(dependency)) + " has been unreachable for " +
              approximate_duration(now - found.since) + " (" + found.cause + ")";
  }
  if (!may_lead(task)) {
    if (!reason.empty()) reason += "; ";
    reason += leader_ ? "Redis has not said yet when the cluster last ran it" : "this node is not the leader";
  }
  return reason;
}

}  // namespace stargazer
