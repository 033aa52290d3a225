#include "daemon/feed_job.h"

#include <utility>

namespace stargazer {

FeedJob::FeedJob(uv_loop_t* loop, FeedConfig config, RedisTarget redis, Feed::LogCallback log,
                 std::function<void(RunId, const Status&)> ended)
    : config_(std::move(config)), redis_(std::move(redis)), log_(std::move(log)), ended_(std::move(ended)) {
  uv_async_init(loop, &wake_, [](uv_async_t* async) { static_cast<FeedJob*>(async->data)->on_ended(); });
  wake_.data = this;
}

Status FeedJob::start(RunId run) {
  if (feed_ != nullptr) return Error("the journal feed is running already");
  run_ = run;
  feed_ = std::make_unique<Feed>(config_, redis_, log_, [this](Status status) {
    {
      const std::lock_guard lock(mutex_);
      end_ = std::move(status);
    }
    uv_async_send(&wake_);
  });
  return {};
}

void FeedJob::stop(RunId run) {
  if (feed_ != nullptr && run == run_) feed_->request_stop();
}

void FeedJob::on_ended() {
  std::optional<Status> end;
  {
    const std::lock_guard lock(mutex_);
    end = std::exchange(end_, std::nullopt);
  }
  if (!end) return;
  feed_.reset();
  ended_(run_, *end);
}

void FeedJob::close() {
  uv_close(reinterpret_cast<uv_handle_t*>(&wake_), nullptr);
}

}  // namespace stargazer
