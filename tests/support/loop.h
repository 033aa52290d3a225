// An event loop of a test's own, which waits for what must happen and proves at its end that no handle was leaked.
#pragma once

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <stdexcept>

#include <uv.h>

namespace stargazer::testing {

class Loop {
 public:
  Loop() {
    std::signal(SIGPIPE, SIG_IGN);  // as the daemon does: libuv's writes raise it
    uv_loop_init(&loop_);
    uv_timer_init(&loop_, &guard_);
    guard_.data = this;
  }
  // Ends the process when a handle is left: whoever made it has forgotten to close it.
  ~Loop() {
    uv_close(reinterpret_cast<uv_handle_t*>(&guard_), nullptr);
    uv_run(&loop_, UV_RUN_NOWAIT);
    if (uv_loop_close(&loop_) == 0) return;
    uv_print_all_handles(&loop_, stderr);
    std::abort();
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  uv_loop_t* get() { return &loop_; }

  // Runs until `done`. Throws std::runtime_error when that does not come about at all.
  void run_until(const std::function<bool()>& done) {
    constexpr std::uint64_t kGiveUpMs = 60'000;
    gave_up_ = false;
    const auto give_up = [](uv_timer_t* timer) { static_cast<Loop*>(timer->data)->gave_up_ = true; };
    uv_timer_start(&guard_, give_up, kGiveUpMs, 0);
    while (!done() && !gave_up_) uv_run(&loop_, UV_RUN_ONCE);
    uv_timer_stop(&guard_);
    if (gave_up_) throw std::runtime_error("what the test waits for did not happen");
  }

  // How many timers are running, the loop's own aside.
  int active_timers() {
    int count = 0;
    const auto look = [](uv_handle_t* handle, void* sum) {
      if (handle->type == UV_TIMER && uv_is_active(handle) != 0) ++*static_cast<int*>(sum);
    };
    uv_walk(&loop_, look, &count);
    return count;
  }

 private:
  uv_loop_t loop_{};
  uv_timer_t guard_{};
  bool gave_up_ = false;
};

}  // namespace stargazer::testing
