// Whether, and for how long, the process of a run is kept for the next one (core/warm_pool.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "core/time.h"

namespace stargazer {

// The keys of a task.
struct WarmRules {
  bool keep = false;                                // `warm`
  std::string group;                                // `warm_group`: whose runs share processes; "" = the task's own
  Duration idle_timeout = std::chrono::minutes(5);  // `warm_idle_timeout`: without a run
  std::uint32_t runs_max = 1000;                    // `warm_max_runs`: in one process
  std::uint64_t memory_max_bytes = 0;               // `warm_max_memory`: resident, after a run; 0 = no limit

  bool operator==(const WarmRules&) const = default;
};

inline constexpr Duration kWarmIdleTimeoutMin = std::chrono::milliseconds(100);
inline constexpr std::uint32_t kWarmRunsMost = 1'000'000'000;

}  // namespace stargazer
