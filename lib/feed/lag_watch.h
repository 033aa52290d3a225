// How far the feed is behind the journal's end, in seconds and in entries.
//
// While it reads, the age of the entry that it has just read. While Redis is away, the time since it had read
// everything: nobody knows then how old the first entry is that waits, only that it is not older.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "feed/feed_tally.h"

namespace stargazer {

class LagWatch {
 public:
  using Clock = std::chrono::steady_clock;
  // `changed` is called when FeedTally::lag_s is another, but at most once in this time while it is not 0.
  static constexpr std::chrono::seconds kTellEvery{1};

  // `entries_behind_max` is asked when the lag is to be told. `tally` must outlive it.
  LagWatch(std::function<void()> changed, std::function<std::uint64_t()> entries_behind_max, FeedTally& tally)
      : changed_(std::move(changed)), entries_behind_max_(std::move(entries_behind_max)), tally_(tally) {}

  // Once a turn. `behind`: there may be entries that are not acknowledged. `reading`: Redis takes them. `cursor`: of
  // the last one that was read.
  void turn(bool behind, bool reading, const std::string& cursor);

 private:
  const std::function<void()> changed_;
  const std::function<std::uint64_t()> entries_behind_max_;
  FeedTally& tally_;
  std::uint64_t told_s_ = 0;
  Clock::time_point caught_up_at_ = Clock::now();
  Clock::time_point tell_at_{};
};

}  // namespace stargazer
