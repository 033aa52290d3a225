// FeedCounters, written by the feed's thread and read by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "feed/feed.h"

namespace stargazer {

struct FeedTally {
  using Count = std::atomic<std::uint64_t>;

  // Only the feed's thread writes, so nothing is lost between reading and writing.
  static void add(Count& count, std::uint64_t more) {
    count.store(count.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
  static void set(Count& count, std::uint64_t value) { count.store(value, std::memory_order_relaxed); }

  Count entries_published{0};
  Count bytes_published{0};
  Count batches_published{0};
  Count entries_filtered{0};
  Count entries_skipped{0};
  Count entries_refused{0};
  Count gaps{0};
  Count entries_lost_max{0};
  Count redis_failures{0};
  Count receivers{0};
  Count lag_s{0};
  Count lag_entries_max{0};

  void set_last_cursor(const std::string& cursor);
  FeedCounters counters() const;

 private:
  mutable std::mutex mutex_;
  std::string last_cursor_;
};

}  // namespace stargazer
