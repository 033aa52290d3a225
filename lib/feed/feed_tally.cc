#include "feed/feed_tally.h"

namespace stargazer {

void FeedTally::set_last_cursor(const std::string& cursor) {
  const std::lock_guard lock(mutex_);
  if (last_cursor_ != cursor) last_cursor_ = cursor;
}

FeedCounters FeedTally::counters() const {
  const auto of = [](const Count& count) { return count.load(std::memory_order_relaxed); };
  const std::lock_guard lock(mutex_);
  return {of(entries_published),
          of(bytes_published),
          of(batches_published),
          of(entries_filtered),
          of(entries_skipped),
          of(entries_refused),
          of(gaps),
          of(entries_lost_max),
          of(redis_failures),
          of(receivers),
          of(lag_s),
          of(lag_entries_max),
          last_cursor_};
}

}  // namespace stargazer
