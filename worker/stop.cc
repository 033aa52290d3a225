#include "worker/stop.h"

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/system_error.h"

namespace stargazer::worker {
namespace {

Stop* asked_by_sigterm = nullptr;

}  // namespace

Status Stop::open() {
  event_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event_) return system_error("eventfd", errno);
  return {};
}

void Stop::listen_to_sigterm() {
  asked_by_sigterm = this;
  struct sigaction action {};
  action.sa_handler = [](int) {
    const int error = errno;
    asked_by_sigterm->ask();
    errno = error;
  };
  sigaction(SIGTERM, &action, nullptr);
}

void Stop::ask() {
  asked_.store(true, std::memory_order_release);
  const std::uint64_t once = 1;
  // Full after 2^64 - 2 of them: it is readable then.
  [[maybe_unused]] const ssize_t count = write(event_.get(), &once, sizeof once);
}

}  // namespace stargazer::worker
