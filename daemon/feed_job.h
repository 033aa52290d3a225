// The native job "journal_feed": the feed's thread as something that the worker host can start and stop.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include <uv.h>

#include "core/config.h"
#include "core/event.h"
#include "feed/feed.h"

namespace stargazer {

class FeedJob {
 public:
  // `ended` is called on the loop when the thread of a run has gone. `log` is called from any thread.
  FeedJob(uv_loop_t* loop, FeedConfig config, RedisTarget redis, Feed::LogCallback log,
          std::function<void(RunId, const Status&)> ended);
  FeedJob(const FeedJob&) = delete;
  FeedJob& operator=(const FeedJob&) = delete;

  // Fails when a run is still going on.
  Status start(RunId run);
  void stop(RunId run);
  // Takes the handle off the loop, which must run once more. REQUIRES: no run is going on.
  void close();

 private:
  void on_ended();

  FeedConfig config_;
  RedisTarget redis_;
  Feed::LogCallback log_;
  std::function<void(RunId, const Status&)> ended_;
  uv_async_t wake_{};
  std::unique_ptr<Feed> feed_;
  RunId run_;
  std::mutex mutex_;  // guards end_, which the feed's thread writes
  std::optional<Status> end_;
};

}  // namespace stargazer
