// What the feed's thread does, turn after turn: open what is not open, read a batch, publish it, see every reply, wait.
//
// The next batch is read only when the last one is acknowledged, and only while Redis answers: the journal is the
// queue, and a batch is all that is in memory. A batch that was cut off by a failure is sent again from its first entry
// without a reply, so those in flight may be published twice and none is left out.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

#include "core/config.h"
#include "core/random.h"
#include "core/time.h"
#include "feed/feed_report.h"
#include "feed/journal_reader.h"
#include "feed/publish_batch.h"
#include "feed/redis_pipe.h"
#include "feed/stop_event.h"
#include "io/redis_target.h"

namespace stargazer {

// FeedCounters, written by the feed's thread and read by any.
struct FeedTally {
  std::atomic<std::uint64_t> entries_published{0};
  std::atomic<std::uint64_t> bytes_published{0};
  std::atomic<std::uint64_t> entries_skipped{0};
  std::atomic<std::uint64_t> redis_failures{0};
};

class FeedLoop {
 public:
  using Clock = std::chrono::steady_clock;

  // Between attempts to reach Redis: doubled each time between these, and each shortened by up to a half at random.
  static constexpr std::chrono::milliseconds kBackoffMin{100};
  static constexpr std::chrono::milliseconds kBackoffMax{5000};
  // Between attempts to open the journal.
  static constexpr std::chrono::milliseconds kOpenEvery{2000};
  // After an error while reading.
  static constexpr std::chrono::milliseconds kReadPause{100};

  // `stop` and `tally` must outlive it. REQUIRES: config.units is not empty.
  FeedLoop(const FeedConfig& config, const RedisTarget& redis, FeedReport::Sink log, const StopEvent& stop,
           FeedTally& tally);

  // Returns once a stop is requested, or when the kernel refuses to let it wait.
  Status run();

 private:
  void open_journal();
  void connect();
  void read_batch();
  bool read_entry();
  bool may_read() const;
  void publish();
  Status wait();
  std::optional<std::chrono::milliseconds> time_to_wait(Clock::time_point now) const;
  void journal_trouble(const Error& error);
  void redis_trouble(const Error& error);

  const FeedConfig config_;
  const StopEvent& stop_;
  FeedTally& tally_;
  FeedReport report_;
  JournalReader reader_;
  RedisPipe pipe_;
  PublishBatch batch_;
  std::string entry_;
  Random random_;

  bool unread_ = true;             // the journal may hold entries beyond those that were read
  bool reading_failed_ = false;    // reader_.recover() comes first
  bool journal_was_late_ = false;  // there was none when the feed started
  WallTime started_;
  Clock::time_point open_at_{};
  Clock::time_point read_at_{};
  Clock::time_point connect_at_{};
  std::chrono::milliseconds backoff_ = kBackoffMin;
};

}  // namespace stargazer
