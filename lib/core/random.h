// The only source of chance in the core: a small seeded generator (SplitMix64), so that one seed replays one run.
// Not for secrets.
#pragma once

#include <cstdint>

#include "core/time.h"

namespace stargazer {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next();

  // Uniform in [0, bound). REQUIRES: bound > 0.
  std::uint64_t below(std::uint64_t bound);

  // Uniform in [0, 1).
  double fraction();

  // True with probability `probability`, which is clamped to [0, 1].
  bool chance(double probability);

  // Uniform in [0, limit]; zero when limit is zero. REQUIRES: limit >= 0.
  Duration up_to(Duration limit);

 private:
  std::uint64_t state_;
};

}  // namespace stargazer
