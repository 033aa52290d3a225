// The daemon: the core joined to the world on one event loop. Wiring only; what to do is decided in lib/core.
#pragma once

#include <memory>

#include "core/config.h"
#include "core/registry.h"
#include "core/result.h"
#include "io/log.h"
#include "io/redis_target.h"

namespace stargazer {

// Where the configured Redis servers are, found out before anything starts, because a bad URL or an unreadable password
// file is a fault of the configuration.
struct RedisTargets {
  std::optional<RedisTarget> main;
  std::optional<RedisTarget> kg;  // only when [kg] names one of its own
};

// Fails with "redis.url: …", "redis: …" or "kg.url: …".
Result<RedisTargets> redis_targets(const Config& config);

class Daemon {
 public:
  // `log` must outlive the daemon.
  Daemon(Config config, RedisTargets targets, Log& log);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Runs until a stop that was asked for is complete. Fails only when the event loop, the clock or the signal handlers
  // cannot be set up; after that nothing ends it but SIGTERM or SIGINT.
  Status run();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stargazer
