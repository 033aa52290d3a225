#include "core/restart.h"

#include <algorithm>

namespace stargazer {

Duration RestartPolicy::pause_after(bool crashed, Duration lasted, Random& random) {
  if (!crashed || lasted > kHealthyRun) backoff_ = kCrashBackoffMin;
  const Duration pause = crashed ? backoff_ : kCleanReturnPause;
  if (crashed) backoff_ = std::min(2 * backoff_, kCrashBackoffMax);
  return std::min(pause + random.up_to(pause / 10), kCrashBackoffMax);
}

}  // namespace stargazer
