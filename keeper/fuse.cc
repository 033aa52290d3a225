#include "keeper/fuse.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <sys/timerfd.h>

#include "io/system_error.h"

namespace stargazer::keeper {
namespace {

itimerspec at(Instant when) {
  // A zero would disarm; one nanosecond after boot has passed as well.
  const auto since_boot = std::max<Duration>(when.time_since_epoch(), std::chrono::nanoseconds(1));
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_boot);
  itimerspec timer{};
  timer.it_value.tv_sec = seconds.count();
  timer.it_value.tv_nsec = static_cast<long>((since_boot - seconds).count());
  return timer;
}

Instant after(Instant when, Duration delay) {
  return when < kNever - delay ? when + delay : kNever;
}

}  // namespace

Instant boot_now() {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return Instant(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

Fuse::~Fuse() {
  if (has_backstop_) timer_delete(backstop_);
}

Status Fuse::arm(Instant when) {
  wake_.reset(timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!wake_) return system_error("timerfd_create", errno);
  sigevent kill{};
  kill.sigev_notify = SIGEV_SIGNAL;
  kill.sigev_signo = SIGKILL;
  if (timer_create(CLOCK_BOOTTIME, &kill, &backstop_) != 0) return system_error("timer_create", errno);
  has_backstop_ = true;
  move(when);
  return {};
}

void Fuse::move(Instant when) {
  when_ = when;
  const itimerspec wake = at(when);
  const itimerspec backstop = at(after(when, kBackstopDelay));
  timer_settime(backstop_, TIMER_ABSTIME, &backstop, nullptr);
  timerfd_settime(wake_.get(), TFD_TIMER_ABSTIME, &wake, nullptr);
}

void Fuse::burn(Duration patience) {
  const itimerspec never{};
  const itimerspec backstop = at(after(boot_now(), patience));
  timer_settime(backstop_, TIMER_ABSTIME, &backstop, nullptr);
  timerfd_settime(wake_.get(), 0, &never, nullptr);
}

}  // namespace stargazer::keeper
