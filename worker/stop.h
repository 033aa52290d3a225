// Whether the run is to end: asked by SIGTERM, by `stop` on fd 3, or by the end of fd 3. Never taken back.
#pragma once

#include <atomic>

#include "core/result.h"
#include "io/unique_fd.h"

namespace stargazer::worker {

class Stop {
 public:
  // Fails when there are no descriptors left.
  Status open();

  // SIGTERM asks from now on, and interrupts system calls, as a job that waits in one would not notice otherwise.
  // REQUIRES: opened; lives until the process ends.
  void listen_to_sigterm();

  // May be called from any thread, and from a signal handler.
  void ask();
  bool asked() const { return asked_.load(std::memory_order_acquire); }
  // Readable once it has been asked.
  int fd() const { return event_.get(); }

 private:
  std::atomic<bool> asked_{false};
  static_assert(std::atomic<bool>::is_always_lock_free);
  UniqueFd event_;
};

}  // namespace stargazer::worker
