#include "feed/stop_event.h"

#include <cerrno>
#include <cstdint>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/system_error.h"

namespace stargazer {

StopEvent::StopEvent() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), error_(fd_ == -1 ? errno : 0) {}

StopEvent::~StopEvent() {
  if (fd_ != -1) close(fd_);
}

Status StopEvent::status() const {
  if (fd_ != -1) return {};
  return system_error("eventfd", error_);
}

void StopEvent::request() {
  if (requested_.exchange(true, std::memory_order_acq_rel) || fd_ == -1) return;
  const std::uint64_t one = 1;
  // Cannot fail: the counter goes from 0 to 1.
  [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof one);
}

}  // namespace stargazer
