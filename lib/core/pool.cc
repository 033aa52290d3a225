#include "core/pool.h"

#include <algorithm>
#include <cassert>

namespace stargazer {

Permit& Permit::operator=(Permit&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  pools_ = other.pools_;
  pool_ = other.pool_;
  other.pools_ = nullptr;
  return *this;
}

void Permit::give_back() {
  if (pools_ == nullptr) return;
  assert(pools_->pools_[kNoPool].used > 0);
  --pools_->pools_[kNoPool].used;
  if (pool_ != kNoPool) --pools_->pools_[pool_].used;
  pools_ = nullptr;
}

Pools::Pools(std::uint32_t limit_over_all, const std::map<std::string, PoolConfig>& pools) {
  pools_.push_back({"", limit_over_all});
  for (const auto& [name, pool] : pools) pools_.push_back({name, pool.limit});
}

PoolIndex Pools::index_of(const std::string& name) const {
  const auto found =
      std::find_if(pools_.begin(), pools_.end(), [&name](const Pool& pool) { return pool.name == name; });
  assert(found != pools_.end());
  return static_cast<PoolIndex>(found - pools_.begin());
}

bool Pools::has_room(PoolIndex pool) const {
  return pools_[kNoPool].used < pools_[kNoPool].limit && pools_[pool].used < pools_[pool].limit;
}

std::optional<Permit> Pools::take(PoolIndex pool) {
  if (!has_room(pool)) return std::nullopt;
  ++pools_[kNoPool].used;
  if (pool != kNoPool) ++pools_[pool].used;
  return Permit(this, pool);
}

std::string Pools::full_reason(PoolIndex pool) const {
  const Pool& limit = pools_[pool];
  if (pool != kNoPool && limit.used >= limit.limit) {
    return "pool " + limit.name + " is full (" + std::to_string(limit.used) + " of " + std::to_string(limit.limit) +
           ")";
  }
  return "all " + std::to_string(pools_[kNoPool].limit) + " places are taken (scheduler.max_concurrent_runs)";
}

}  // namespace stargazer
