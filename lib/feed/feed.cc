#include "feed/feed.h"

#include <pthread.h>
#include <signal.h>
#include <system_error>
#include <thread>
#include <utility>

#include "feed/feed_loop.h"

namespace stargazer {
namespace {

// Blocks every signal while it lives; a thread that is started meanwhile never handles one.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

class Feed::Impl {
 public:
  Impl(FeedConfig config, RedisTarget redis, LogCallback log, EndedCallback ended)
      : config_(std::move(config)), redis_(std::move(redis)), log_(std::move(log)), ended_(std::move(ended)) {
    const SignalsBlocked blocked;
    try {
      thread_ = std::thread([this] { ended_(run()); });
    } catch (const std::system_error& error) {
      ended_(Error(std::string("journal feed: thread: ") + error.code().message()));
    }
  }
  ~Impl() {
    stop_.request();
    if (thread_.joinable()) thread_.join();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void request_stop() { stop_.request(); }
  const FeedTally& tally() const { return tally_; }

 private:
  Status run() {
    pthread_setname_np(pthread_self(), "journal-feed");
    if (auto status = stop_.status(); !status) return status.error().in("journal feed");
    if (config_.units.empty()) return {};
    const Status status = FeedLoop(config_, redis_, log_, stop_, tally_).run();
    return status ? status : status.error().in("journal feed");
  }

  const FeedConfig config_;
  const RedisTarget redis_;
  const LogCallback log_;
  const EndedCallback ended_;
  StopEvent stop_;
  FeedTally tally_;
  std::thread thread_;
};

Feed::Feed(FeedConfig config, RedisTarget redis, LogCallback log, EndedCallback ended)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(redis), std::move(log), std::move(ended))) {}

Feed::~Feed() = default;

void Feed::request_stop() {
  impl_->request_stop();
}

FeedCounters Feed::counters() const {
  const FeedTally& tally = impl_->tally();
  return {tally.entries_published.load(std::memory_order_relaxed),
          tally.bytes_published.load(std::memory_order_relaxed), tally.entries_skipped.load(std::memory_order_relaxed),
          tally.redis_failures.load(std::memory_order_relaxed)};
}

}  // namespace stargazer
