#include "sim/fake_clock.h"

namespace stargazer::sim {
namespace {

constexpr std::int64_t kMillion = 1'000'000;

// Any date does; this one is a Monday.
constexpr WallTime kWallStart{std::chrono::seconds(1'800'000'000)};

}  // namespace

// Split so that no product overflows within three centuries.
Duration Rate::local(TrueTime time) const {
  const std::int64_t whole = time.count() / kMillion;
  const std::int64_t rest = time.count() % kMillion;
  return offset + time + Duration(whole * drift_ppm + rest * drift_ppm / kMillion);
}

TrueTime Rate::true_time(Duration local_time) const {
  const std::int64_t gone = (local_time - offset).count();
  const std::int64_t step = kMillion + drift_ppm;
  TrueTime time(gone / step * kMillion + gone % step * kMillion / step);
  while (local(time) < local_time) ++time;
  return time;
}

WallTime FakeClock::wall_now() const {
  return kWallStart + std::chrono::floor<std::chrono::microseconds>(rate_.local(timeline_.now()) - rate_.offset);
}

TrueTime FakeClock::wish_true_time() const {
  const Duration wished = wish_.time_since_epoch();
  return wished <= rate_.offset ? TrueTime::zero() : rate_.true_time(wished);
}

}  // namespace stargazer::sim
