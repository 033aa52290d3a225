#include "io/backoff.h"

#include <algorithm>
#include <cassert>

namespace stargazer {

Backoff::Backoff(Duration shortest, Duration longest, std::uint64_t seed)
    : shortest_(shortest), longest_(longest), whole_(shortest), random_(seed) {
  assert(Duration::zero() < shortest_ && shortest_ <= longest_ && longest_ <= kDurationMax);
}

Duration Backoff::next() {
  const Duration half = whole_ / 2;
  whole_ = std::min(whole_ * 2, longest_);
  return half + random_.up_to(half);
}

}  // namespace stargazer
