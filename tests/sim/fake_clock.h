// A node's clock: it started at some moment of its own, runs at a rate of its own, and stands still while the machine
// does. Rate, not offset, is what breaks leases, because nobody compares two clocks, but both count seconds of the same
// ttl.
#pragma once

#include <cstdint>
#include <vector>

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
  using Action = Timeline::Action;

  FakeClock(Timeline& timeline, Rate rate) : timeline_(timeline), rate_(rate) {}

  Instant now() const override { return Instant(rate_.local(run_time())); }
  WallTime wall_now() const override;
  void wake_at(Instant when) override { wish_ = when; }
  Instant wish() const { return wish_; }

  // Runs `action` when this clock reads `when`, or at once when it does already; in either case only while the machine
  // runs. What the action refers to must outlive the timeline.
  void at(Instant when, Action action);
  void after(Duration delay, Action action) { at_run_time(run_time() + delay, std::move(action)); }

  // The machine stands still, and goes on (VM pause): nothing on it notices, but its time of day is right again, as
  // hypervisors and NTP see to it. Nothing happens when it does so already.
  void pause();
  void resume();
  bool paused() const { return paused_; }

 private:
  struct Sleeper {
    TrueTime run_time;
    Action action;
  };

  // True time as far as the machine has been running.
  TrueTime run_time() const { return (paused_ ? paused_at_ : timeline_.now()) - stood_still_; }
  void at_run_time(TrueTime run_time, Action action);

  Timeline& timeline_;
  Rate rate_;
  Instant wish_ = kNever;
  bool paused_ = false;
  TrueTime paused_at_{};
  Duration stood_still_{};
  std::vector<Sleeper> sleepers_;  // due while the machine stood still
};

}  // namespace stargazer::sim
