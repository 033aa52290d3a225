// What the calling thread has used of a processor: by this, not by the clock, is measured what it may spend on looking.
#pragma once

#include <chrono>
#include <ctime>

namespace stargazer {

inline std::chrono::nanoseconds thread_cpu_time() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

}  // namespace stargazer
