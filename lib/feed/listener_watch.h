// Whether anybody would get the next entry at once, and so how closely the journal is to be watched.
//
// What PUBLISH answers is the number of receivers. In a quiet time it is asked for once in kAskEvery: PUBSUB NUMSUB
// tells the subscribers of the channel, PUBSUB NUMPAT those of patterns, which may or may not match it. A user of Redis
// who may not ask is told what the last PUBLISH said, and before the first one that somebody listens.
//
// A subscriber that goes is often back at once: a page that is loaded again, a connection that broke. So where one was,
// a PUBLISH that reached nobody is not enough; the question, a little later, settles it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "core/result.h"
#include "feed/redis_pipe.h"

namespace stargazer {

class ListenerWatch {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kAskEvery{1};

  // `stream`: entries go to a stream as well, whose readers nobody can count: there is always somebody.
  ListenerWatch(const std::string& channel, bool stream);

  bool somebody() const { return stream_ || listeners_ > 0; }

  // A new connection: replies to what was asked before will not come.
  void connected();
  // What a PUBLISH answered.
  void published(std::int64_t receivers, Clock::time_point now);

  // When to send question(); never while one is under way.
  Clock::time_point ask_at() const;
  // Two commands, whose replies go to take() in their order.
  const std::string& question(Clock::time_point now);
  bool asking() const { return replies_due_ > 0; }
  // REQUIRES: asking().
  void take(const RedisPipe::Reply& reply);

 private:
  void doubt(Clock::time_point now);

  const bool stream_;
  std::string question_;
  std::int64_t listeners_ = 1;
  std::int64_t counted_ = 0;
  int replies_due_ = 0;
  bool forbidden_ = false;
  bool doubted_ = false;  // a PUBLISH has reached nobody since somebody listened
  Clock::time_point ask_at_{};
};

}  // namespace stargazer
