// The real Clock: CLOCK_BOOTTIME, and one timerfd on the event loop that asks for the next step. See clock_gettime(2),
// timerfd_create(2): unlike libuv's timers it goes on during suspend, so a lease that ran out meanwhile is noticed at
// the resume.
#pragma once

#include <functional>
#include <memory>

#include <uv.h>

#include "core/result.h"
#include "core/seams.h"

namespace stargazer {

class UvClock final : public Clock {
 public:
  // `on_wake` is called on the loop when the wished moment has come. Fails when no timer can be had.
  static Result<std::unique_ptr<UvClock>> create(uv_loop_t* loop, std::function<void()> on_wake);
  ~UvClock() override;
  UvClock(const UvClock&) = delete;
  UvClock& operator=(const UvClock&) = delete;

  // Reads the host's clock; now() answers this until the next call.
  void refresh();

  Instant now() const override { return now_; }
  WallTime wall_now() const override;
  void wake_at(Instant when) override;

  // Takes the timer off the loop, which must run once more before the object is destroyed.
  void close();

 private:
  UvClock(int timer_fd, std::function<void()> on_wake);

  int timer_fd_;
  std::function<void()> on_wake_;
  uv_poll_t poll_{};
  bool closed_ = false;
  Instant now_{};
  Instant armed_for_ = kNever;
};

}  // namespace stargazer
