// How many lines of one run may go to the journal: a token bucket that says what it kept back.
//
// The bucket holds `burst` lines and fills by `per_s` a second; a long line counts as one for each KiB that it begins,
// so that bytes are bounded as well. Once it is empty, lines are left out until there is
// room for a second's worth again, so that a run that floods costs one mark a second and not one for each line.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/time.h"

namespace stargazer {

class LineBudget {
 public:
  static constexpr std::size_t kBytesOfALine = 1024;

  // What is to be done with a line: shown or not, and how many that were not shown are to be told of before it.
  struct Verdict {
    bool shown = true;
    std::uint64_t left_out = 0;
  };

  // `per_s` 0 = no limit.
  LineBudget(std::uint32_t per_s, std::uint32_t burst)
      : per_s_(per_s), burst_(std::max(per_s, burst)), room_(static_cast<double>(burst_)) {}

  // A line of `bytes` has come. `now` is never less than before.
  Verdict take(Instant now, std::size_t bytes) {
    if (per_s_ == 0) return {};
    fill(now);
    const double cost = cost_of(bytes);
    if (room_ < (left_out_ == 0 ? cost : std::max(cost, static_cast<double>(per_s_)))) {
      ++left_out_;
      return {false, 0};
    }
    room_ -= cost;
    return {true, take_left_out()};
  }

  // How many have been left out since that was last told: to be told at the end of the run, unless it is 0.
  std::uint64_t take_left_out() {
    const std::uint64_t left_out = left_out_;
    left_out_ = 0;
    return left_out;
  }

 private:
  // A line that is longer than the whole bucket can be shown when that is full.
  double cost_of(std::size_t bytes) const {
    const std::size_t lines = std::max<std::size_t>((bytes + kBytesOfALine - 1) / kBytesOfALine, 1);
    return std::min(static_cast<double>(lines), static_cast<double>(burst_));
  }

  void fill(Instant now) {
    if (filled_at_ == kNever) filled_at_ = now;
    room_ = std::min(room_ + to_seconds(now - filled_at_) * static_cast<double>(per_s_), static_cast<double>(burst_));
    filled_at_ = now;
  }

  std::uint32_t per_s_;
  std::uint32_t burst_;
  double room_;
  Instant filled_at_ = kNever;
  std::uint64_t left_out_ = 0;
};

}  // namespace stargazer
