// The native job "journal_feed": the feed's thread as something that the worker host can start and stop.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <uv.h>

#include "core/config.h"
#include "core/event.h"
#include "feed/feed.h"

namespace stargazer {

class FeedJob {
 public:
  struct Callbacks {
    Feed::LogCallback log;                            // called from any thread
    std::function<void(RunId, const Status&)> ended;  // on the loop, when the thread of a run has gone
    std::function<void()> lag_changed;                // on the loop
  };

  // `position_file`: where the position is kept; "" = nowhere.
  FeedJob(uv_loop_t* loop, FeedConfig config, RedisTarget redis, std::string position_file, Callbacks callbacks);
  FeedJob(const FeedJob&) = delete;
  FeedJob& operator=(const FeedJob&) = delete;

  // Fails when a run is still going on.
  Status start(RunId run);
  void stop(RunId run);
  // "12 s behind (at most 34567 entries)"; "" while that is no more than journald's own delay and a busy moment.
  std::string lag_text() const;
  // Takes the handle off the loop, which must run once more. REQUIRES: no run is going on.
  void close();

 private:
  void on_wake();

  FeedConfig config_;
  RedisTarget redis_;
  std::string position_file_;
  Callbacks callbacks_;
  uv_async_t wake_{};
  std::unique_ptr<Feed> feed_;
  RunId run_;
  std::mutex mutex_;  // guards end_, which the feed's thread writes
  std::optional<Status> end_;
  std::atomic<bool> lag_changed_{false};
};

}  // namespace stargazer
