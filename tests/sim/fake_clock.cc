#include "sim/fake_clock.h"

#include <utility>

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
  const TrueTime time = paused_ ? paused_at_ : timeline_.now();
  return kWallStart + std::chrono::floor<std::chrono::microseconds>(rate_.local(time) - rate_.offset);
}

void FakeClock::at(Instant when, Action action) {
  const Duration wished = when.time_since_epoch();
  at_run_time(wished <= rate_.offset ? TrueTime::zero() : rate_.true_time(wished), std::move(action));
}

void FakeClock::at_run_time(TrueTime run_time, Action action) {
  timeline_.at(run_time + stood_still_, [this, run_time, action = std::move(action)]() mutable {
    if (paused_) {
      sleepers_.push_back({run_time, std::move(action)});
    } else if (this->run_time() < run_time) {  // it stood still in between
      at_run_time(run_time, std::move(action));
    } else {
      action();
    }
  });
}

void FakeClock::pause() {
  if (paused_) return;
  paused_at_ = timeline_.now();
  paused_ = true;
}

void FakeClock::resume() {
  if (!paused_) return;
  stood_still_ += timeline_.now() - paused_at_;
  paused_ = false;
  for (Sleeper& sleeper : std::exchange(sleepers_, {})) at_run_time(sleeper.run_time, std::move(sleeper.action));
}

}  // namespace stargazer::sim
