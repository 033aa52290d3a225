#include "daemon/redis_targets.h"

#include <utility>

namespace stargazer {

Result<RedisTargets> redis_targets(const Config& config) {
  RedisTargets targets;
  if (config.redis) {
    Result<RedisTarget> main = redis_target(*config.redis);
    if (!main.ok()) return main.error();
    targets.main = std::move(main).value();
  }
  if (config.kg && !config.kg->url.empty()) {
    Result<RedisTarget> kg = parse_redis_url(config.kg->url);
    if (!kg.ok()) return kg.error().in("kg.url");
    targets.kg = std::move(kg).value();
  }
  return targets;
}

}  // namespace stargazer
