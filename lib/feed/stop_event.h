// The one thing that other threads say to the feed's thread: end. It can be polled for beside sockets.
#pragma once

#include <atomic>

#include "core/result.h"

namespace stargazer {

class StopEvent {
 public:
  // Fails when the process has no file descriptor left: see status().
  StopEvent();
  ~StopEvent();
  StopEvent(const StopEvent&) = delete;
  StopEvent& operator=(const StopEvent&) = delete;

  Status status() const;

  // Any thread; more than once is fine.
  void request();
  bool requested() const { return requested_.load(std::memory_order_acquire); }

  // Readable from the request on, for ever.
  int fd() const { return fd_; }

 private:
  int fd_;
  int error_;
  std::atomic<bool> requested_{false};
};

}  // namespace stargazer
