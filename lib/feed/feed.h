// The journal feed (SPEC section 5): a thread that reads the systemd journal and publishes each entry to Redis.
//
// It has its own Redis connection and shares nothing with the event loop, so a burst of entries, a slow disk or a huge
// entry cannot delay a lease renewal. While Redis is away it stops reading: the journal is the buffer.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/result.h"
#include "io/log.h"
#include "io/redis_target.h"

namespace stargazer {

struct FeedCounters {
  std::uint64_t entries_published = 0;  // acknowledged by Redis
  std::uint64_t bytes_published = 0;    // of their JSON
  std::uint64_t batches_published = 0;
  std::uint64_t entries_filtered = 0;  // left out by the selection
  std::uint64_t entries_skipped = 0;   // unreadable: corrupt or vacuumed while being read
  std::uint64_t entries_refused = 0;   // longer than Redis takes
  std::uint64_t gaps = 0;
  std::uint64_t entries_lost_max = 0;  // in all gaps together, as far as known
  std::uint64_t redis_failures = 0;
  std::uint64_t receivers = 0;        // of the last PUBLISH
  std::uint64_t lag_s = 0;            // behind the journal's end, see lag_watch.h
  std::uint64_t lag_entries_max = 0;  // the same in entries, of all units; 0 = none, or not known
  std::string last_cursor{};          // of the last entry that Redis acknowledged; "" = none yet
};

class Feed {
 public:
  // All are called from the feed's thread. `ended` is called exactly once, as the last thing the thread does: success
  // after request_stop, otherwise the reason for which it cannot go on (the scheduler starts a new one after the task's
  // interval).
  using LogCallback = std::function<void(LogRecord)>;
  using EndedCallback = std::function<void(Status)>;
  // The lag in seconds has changed; at most once a second while it is not zero.
  using LagCallback = std::function<void()>;

  // Starts the thread. Without units there is nothing to do: `ended` comes at once, with success. Should the thread not
  // start, `ended` is called with the reason before the constructor returns.
  // `position_file`: where the position is kept (cursor_file.h); "" = nowhere.
  Feed(
      FeedConfig config, RedisTarget redis, std::string position_file, LogCallback log, EndedCallback ended,
      LagCallback lag = [] {});
  // REQUIRES: `ended` has been called, or request_stop has; joins the thread.
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  // Asks the thread to end after the batch in flight, within a second. Any thread; more than once is fine.
  void request_stop();

  // Any thread.
  FeedCounters counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stargazer
