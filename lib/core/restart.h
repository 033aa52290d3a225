// When a supervised worker that has ended starts again (SPEC section 4).
//
// After a clean return: in 5 s. After a crash: after a back-off that begins at 1 s and doubles up to 60 s. A clean
// return, or a run longer than 60 s, sets the back-off to 1 s again: a worker that crashes once a day has always a
// fresh one. A tenth at most is added at random, though never beyond the 60 s, so that workers which crashed together
// (the graph went away) do not come back together. It never gives up.
#pragma once

#include "core/random.h"
#include "core/time.h"

namespace stargazer {

inline constexpr Duration kCleanReturnPause = std::chrono::seconds(5);
inline constexpr Duration kCrashBackoffMin = std::chrono::seconds(1);
inline constexpr Duration kCrashBackoffMax = std::chrono::seconds(60);
inline constexpr Duration kHealthyRun = std::chrono::seconds(60);

class RestartPolicy {
 public:
  // How long to wait after a run that took `lasted`; moves the back-off on.
  Duration pause_after(bool crashed, Duration lasted, Random& random);

 private:
  Duration backoff_ = kCrashBackoffMin;
};

}  // namespace stargazer
