// Where the configured Redis servers are, found out before anything starts, because a bad URL or an unreadable password
// file is a fault of the configuration.
#pragma once

#include <optional>

#include "core/config.h"
#include "core/result.h"
#include "io/redis_target.h"

namespace stargazer {

struct RedisTargets {
  std::optional<RedisTarget> main;
  std::optional<RedisTarget> kg;  // only when [kg] names one of its own
};

// Fails with "redis.url: …", "redis: …" or "kg.url: …".
Result<RedisTargets> redis_targets(const Config& config);

}  // namespace stargazer
