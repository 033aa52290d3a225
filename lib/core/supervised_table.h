// The supervised workers of this node (SPEC section 4), between and during their runs: which of them may be started
// now, and when one that has ended comes back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/registry.h"
#include "core/restart.h"
#include "core/runs.h"
#include "core/timers.h"

namespace stargazer {

class SupervisedTable {
 public:
  // Keeps references to both.
  SupervisedTable(const std::vector<PlannedWorker>& planned, Timers& timers)
      : planned_(planned), timers_(timers), entries_(planned.size()) {}

  std::uint32_t size() const { return static_cast<std::uint32_t>(entries_.size()); }
  const SupervisedConfig& config(std::uint32_t index) const { return planned_[index].config; }

  // This node has become leader: whoever does not run may start.
  void lease_gained(Instant now);
  // The next one to start, in the registry's order.
  std::optional<std::uint32_t> startable(Instant now) const;
  void run_started(std::uint32_t index, RunId run);
  // A run has ended, or could not be started. Returns after which pause the worker starts again; 0 for one that was
  // cancelled, which does so as soon as this node leads again.
  Duration run_ended(std::uint32_t index, Outcome outcome, Duration lasted, Instant now, Random& random);

  std::optional<RunId> run(std::uint32_t index) const { return entries_[index].run; }
  std::uint64_t run_count(std::uint32_t index) const { return entries_[index].run_count; }
  std::uint64_t failure_count(std::uint32_t index) const { return entries_[index].failure_count; }
  // One sentence on why it does not run although this node leads. REQUIRES: it does not run.
  std::string why(std::uint32_t index, Instant now) const;
  bool scheduled(std::uint32_t index) const { return planned_[index].scheduled; }

 private:
  struct Entry {
    RestartPolicy restart;
    std::optional<RunId> run;
    Instant next_start{};  // not before; kNever while it runs
    std::uint64_t run_count = 0;
    std::uint64_t failure_count = 0;
  };

  const std::vector<PlannedWorker>& planned_;
  Timers& timers_;
  std::vector<Entry> entries_;
};

}  // namespace stargazer
