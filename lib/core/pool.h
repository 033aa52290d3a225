// Limits on how many runs go on at once: scheduler.max_concurrent_runs over all, and [pools.NAME] over the tasks that
// name one.
//
// The right to run is a move-only value. Whoever holds a Permit may run, and the place is free again when it is
// destroyed: it cannot be used twice or forgotten.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"

namespace stargazer {

// An index into Pools, fixed at construction. kNoPool stands for pool = "": only the limit over all applies.
using PoolIndex = std::uint32_t;
inline constexpr PoolIndex kNoPool = 0;

class Pools;

class Permit {
 public:
  Permit(Permit&& other) noexcept : pools_(other.pools_), pool_(other.pool_) { other.pools_ = nullptr; }
  Permit& operator=(Permit&& other) noexcept;
  Permit(const Permit&) = delete;
  Permit& operator=(const Permit&) = delete;
  ~Permit() { give_back(); }

 private:
  friend class Pools;
  Permit(Pools* pools, PoolIndex pool) : pools_(pools), pool_(pool) {}
  void give_back();

  Pools* pools_;
  PoolIndex pool_;
};

// Must outlive its permits.
class Pools {
 public:
  Pools(std::uint32_t limit_over_all, const std::map<std::string, PoolConfig>& pools);
  Pools(const Pools&) = delete;
  Pools& operator=(const Pools&) = delete;

  std::size_t size() const { return pools_.size(); }
  // REQUIRES: `name` is "" or was among the pools.
  PoolIndex index_of(const std::string& name) const;

  bool has_room(PoolIndex pool) const;
  // Empty when the pool, or all together, are at their limit.
  std::optional<Permit> take(PoolIndex pool);
  // Which limit is in the way: "pool llm is full (2 of 2)", "all 16 places are taken (scheduler.max_concurrent_runs)".
  // REQUIRES: !has_room(pool).
  std::string full_reason(PoolIndex pool) const;

 private:
  friend class Permit;
  struct Pool {
    std::string name;
    std::uint32_t limit;
    std::uint32_t used = 0;
  };

  std::vector<Pool> pools_;  // [kNoPool] is the one over all
};

}  // namespace stargazer
