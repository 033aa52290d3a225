// When the worker must be dead, on two timers of CLOCK_BOOTTIME: one that wakes the keeper, and one by which the kernel
// kills the keeper itself shortly after, in case it was stopped and could not wake. Its death takes the worker along
// (PR_SET_PDEATHSIG). LEASE.md section 3.7.
#pragma once

#include <ctime>

#include "core/result.h"
#include "core/time.h"
#include "io/unique_fd.h"

namespace stargazer::keeper {

Instant boot_now();

class Fuse {
 public:
  // How much later than the fuse a keeper dies that did not act on it: more than a busy machine keeps it waiting.
  static constexpr Duration kBackstopDelay = std::chrono::milliseconds(200);

  Fuse() = default;
  ~Fuse();
  Fuse(const Fuse&) = delete;
  Fuse& operator=(const Fuse&) = delete;

  // Makes and arms both. REQUIRES: not armed yet.
  Status arm(Instant when);
  // REQUIRES: armed, as below.
  void move(Instant when);
  // From now on only the second timer counts, and fires after `patience`: for the time in which the worker is ended.
  void burn(Duration patience);

  bool burnt() const { return boot_now() >= when_; }
  // Readable once it has burnt.
  int fd() const { return wake_.get(); }

 private:
  UniqueFd wake_;
  timer_t backstop_{};
  bool has_backstop_ = false;
  Instant when_{};
};

}  // namespace stargazer::keeper
