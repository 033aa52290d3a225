#include "daemon/feed_job.h"

#include <utility>

namespace stargazer {
namespace {

constexpr std::uint64_t kLagShownAboveS = 1;

}  // namespace

FeedJob::FeedJob(uv_loop_t* loop, FeedConfig config, RedisTarget redis, std::string position_file, Callbacks callbacks)
    : config_(std::move(config)),
      redis_(std::move(redis)),
      position_file_(std::move(position_file)),
      callbacks_(std::move(callbacks)) {
  uv_async_init(loop, &wake_, [](uv_async_t* async) { static_cast<FeedJob*>(async->data)->on_wake(); });
  wake_.data = this;
}

Status FeedJob::start(RunId run) {
  if (feed_ != nullptr) return Error("the journal feed is running already");
  run_ = run;
  const auto ended = [this](Status status) {
    {
      const std::lock_guard lock(mutex_);
      end_ = std::move(status);
    }
    uv_async_send(&wake_);
  };
  const auto lag_changed = [this] {
    lag_changed_.store(true);
    uv_async_send(&wake_);
  };
  feed_ = std::make_unique<Feed>(config_, redis_, position_file_, callbacks_.log, ended, lag_changed);
  return {};
}

void FeedJob::stop(RunId run) {
  if (feed_ != nullptr && run == run_) feed_->request_stop();
}

std::string FeedJob::lag_text() const {
  if (feed_ == nullptr) return "";
  const FeedCounters counters = feed_->counters();
  if (counters.lag_s <= kLagShownAboveS) return "";
  std::string text = std::to_string(counters.lag_s) + " s behind";
  if (counters.lag_entries_max == 0) return text;
  return text + " (at most " + std::to_string(counters.lag_entries_max) + " entries)";
}

void FeedJob::on_wake() {
  std::optional<Status> end;
  {
    const std::lock_guard lock(mutex_);
    end = std::exchange(end_, std::nullopt);
  }
  if (end) feed_.reset();
  if (lag_changed_.exchange(false) || end) callbacks_.lag_changed();
  if (end) callbacks_.ended(run_, *end);
}

void FeedJob::close() {
  uv_close(reinterpret_cast<uv_handle_t*>(&wake_), nullptr);
}

}  // namespace stargazer
