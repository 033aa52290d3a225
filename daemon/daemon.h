// The daemon: the core joined to the world on one event loop. Wiring only; what to do is decided in lib/core.
#pragma once

#include <memory>

#include "core/config.h"
#include "core/result.h"
#include "daemon/redis_targets.h"
#include "io/log.h"

namespace stargazer {

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
