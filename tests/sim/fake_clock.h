// A node's clock: it started at some moment of its own and runs at a rate of its own. Rate, not offset, is what breaks
// leases, because nobody compares two clocks, but both count seconds of the same ttl.
#pragma once

#include <cstdint>

#include "core/seams.h"
#include "sim/timeline.h"

namespace stargazer::sim {

// How a clock reads true time: `offset` at the start, and `drift_ppm` parts per million fast (or slow when negative).
struct Rate {
  Duration offset{};
  std::int64_t drift_ppm = 0;

  Duration local(TrueTime time) const;
  // The first true time at which the clock reads `local_time` or more. REQUIRES: local_time >= offset.
  TrueTime true_time(Duration local_time) const;
};

class FakeClock final : public Clock {
 public:
  FakeClock(const Timeline& timeline, Rate rate) : timeline_(timeline), rate_(rate) {}

  Instant now() const override { return Instant(rate_.local(timeline_.now())); }
  WallTime wall_now() const override;
  void wake_at(Instant when) override { wish_ = when; }

  Instant wish() const { return wish_; }
  // When, in true time, the wish is due. REQUIRES: wish() != kNever.
  TrueTime wish_true_time() const;

 private:
  const Timeline& timeline_;
  Rate rate_;
  Instant wish_ = kNever;
};

}  // namespace stargazer::sim
