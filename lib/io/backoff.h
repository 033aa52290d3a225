// How long to wait before the next attempt: doubling up to a limit, jittered so that many nodes do not come back at
// once.
#pragma once

#include <cstdint>

#include "core/random.h"
#include "core/time.h"

namespace stargazer {

class Backoff {
 public:
  // REQUIRES: 0 < shortest <= longest.
  Backoff(Duration shortest, Duration longest, std::uint64_t seed);

  // The pause after one more failure: between half of and the whole of shortest × 2^(failures before), or of `longest`.
  Duration next();

  // Forgets the failures.
  void reset() { whole_ = shortest_; }

 private:
  Duration shortest_;
  Duration longest_;
  Duration whole_;  // the next pause before jitter
  Random random_;
};

}  // namespace stargazer
