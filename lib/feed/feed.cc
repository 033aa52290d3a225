#include "feed/feed.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <system_error>
#include <thread>
#include <unistd.h>
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

// On a busy machine a lease renewal comes before any number of entries. On Linux the nice value is a thread's own
// (setpriority(2), notes). A refusal changes nothing that is promised.
void yield_to_the_loop() {
  constexpr int kNice = 5;
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice);
}

}  // namespace

class Feed::Impl {
 public:
  Impl(FeedConfig config, RedisTarget redis, std::string position_file, LogCallback log, EndedCallback ended,
       LagCallback lag)
      : config_(std::move(config)),
        redis_(std::move(redis)),
        position_file_(std::move(position_file)),
        log_(std::move(log)),
        ended_(std::move(ended)),
        lag_(std::move(lag)) {
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
    yield_to_the_loop();
    try {
      const Status status = FeedLoop(config_, redis_, position_file_, log_, lag_, stop_, tally_).run();
      return status ? status : status.error().in("journal feed");
    } catch (const std::system_error& error) {
      return Error(std::string("journal feed: thread: ") + error.code().message());
    }
  }

  const FeedConfig config_;
  const RedisTarget redis_;
  const std::string position_file_;
  const LogCallback log_;
  const EndedCallback ended_;
  const LagCallback lag_;
  StopEvent stop_;
  FeedTally tally_;
  std::thread thread_;
};

Feed::Feed(FeedConfig config, RedisTarget redis, std::string position_file, LogCallback log, EndedCallback ended,
           LagCallback lag)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(redis), std::move(position_file), std::move(log),
                                   std::move(ended), std::move(lag))) {}

Feed::~Feed() = default;

void Feed::request_stop() {
  impl_->request_stop();
}

FeedCounters Feed::counters() const {
  return impl_->tally().counters();
}

}  // namespace stargazer
