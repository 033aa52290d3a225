#include "io/uv_clock.h"

#include <cerrno>
#include <ctime>
#include <sys/timerfd.h>
#include <unistd.h>
#include <utility>

#include "io/system_error.h"

namespace stargazer {

Result<std::unique_ptr<UvClock>> UvClock::create(uv_loop_t* loop, std::function<void()> on_wake) {
  const int timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  if (timer_fd < 0) return system_error("timerfd_create", errno);
  std::unique_ptr<UvClock> clock(new UvClock(timer_fd, std::move(on_wake)));
  if (const int error = uv_poll_init(loop, &clock->poll_, timer_fd); error != 0) {
    clock->closed_ = true;
    return Error(std::string("uv_poll_init: ") + uv_strerror(error));
  }
  clock->poll_.data = clock.get();
  uv_poll_start(&clock->poll_, UV_READABLE, [](uv_poll_t* poll, int, int) {
    auto* self = static_cast<UvClock*>(poll->data);
    std::uint64_t expirations = 0;
    // EAGAIN after a re-arm between the event and here: the new wish will fire by itself.
    if (read(self->timer_fd_, &expirations, sizeof expirations) < 0) return;
    self->armed_for_ = kNever;
    self->on_wake_();
  });
  clock->refresh();
  return clock;
}

UvClock::UvClock(int timer_fd, std::function<void()> on_wake) : timer_fd_(timer_fd), on_wake_(std::move(on_wake)) {}

UvClock::~UvClock() {
  ::close(timer_fd_);
}

void UvClock::close() {
  if (std::exchange(closed_, true)) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), nullptr);
}

void UvClock::refresh() {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  now_ = Instant(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

WallTime UvClock::wall_now() const {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

void UvClock::wake_at(Instant when) {
  if (when == armed_for_) return;
  armed_for_ = when;
  itimerspec wish{};
  if (when != kNever) {
    // A zero it_value would disarm; one nanosecond after boot has passed as well.
    const auto since_boot = std::max<Duration>(when.time_since_epoch(), std::chrono::nanoseconds(1));
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since_boot);
    wish.it_value.tv_sec = seconds.count();
    wish.it_value.tv_nsec = static_cast<long>((since_boot - seconds).count());
  }
  timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &wish, nullptr);
}

}  // namespace stargazer
