// How much a worker may say on its fd 3 in a short time. More waits in its socket, and then in the worker itself:
// whatever it writes, what is spent on reading it is bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include <uv.h>

#include "io/worker_child.h"

namespace stargazer {

class WorkerPace {
 public:
  // In each window so many sayings are read. Each line is one, and so is each KiB.
  static constexpr std::uint64_t kSayingsPerWindow = 1000;
  static constexpr std::uint64_t kWindowMs = 100;

  // `resume` is called for the number of each child that was held back, a moment later.
  WorkerPace(uv_loop_t* loop, std::function<void(std::uint64_t number)> resume);

  static void line_came(WorkerChild& child) { ++child.sayings; }
  static void bytes_came(WorkerChild& child, std::size_t count) { child.sayings += count / kBytesOfASaying; }

  // Whether it has said enough for now: nothing more is to be read, until `resume`.
  bool holds_back(WorkerChild& child);

  // The last call. The loop must run once more before the object is destroyed.
  void close();

 private:
  static constexpr std::size_t kBytesOfASaying = 1024;

  void resume_all();

  uv_loop_t* loop_;
  std::function<void(std::uint64_t)> resume_;
  std::vector<std::uint64_t> held_back_;
  uv_timer_t timer_{};
};

}  // namespace stargazer
