#include "io/worker_pace.h"

#include <algorithm>
#include <utility>

namespace stargazer {
namespace {

constexpr std::uint64_t kPauseMs = 20;

}  // namespace

WorkerPace::WorkerPace(uv_loop_t* loop, std::function<void(std::uint64_t)> resume)
    : loop_(loop), resume_(std::move(resume)) {
  uv_timer_init(loop, &timer_);
  timer_.data = this;
}

// What was too much for one window counts for the next.
bool WorkerPace::holds_back(WorkerChild& child) {
  const std::uint64_t passed = uv_now(loop_) / kWindowMs - child.sayings_window;
  child.sayings_window += passed;
  child.sayings -= std::min(child.sayings, passed * kSayingsPerWindow);
  if (child.sayings < kSayingsPerWindow) return false;
  held_back_.push_back(child.number);
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&timer_)) == 0)
    uv_timer_start(
        &timer_, [](uv_timer_t* timer) { static_cast<WorkerPace*>(timer->data)->resume_all(); }, kPauseMs, 0);
  return true;
}

void WorkerPace::resume_all() {
  for (const std::uint64_t number : std::exchange(held_back_, {})) resume_(number);
}

void WorkerPace::close() {
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
}

}  // namespace stargazer
