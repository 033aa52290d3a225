#include "feed/listener_watch.h"

namespace stargazer {

ListenerWatch::ListenerWatch(const std::string& channel, bool stream) : stream_(stream) {
  append_redis_command(question_, {"PUBSUB", "NUMSUB", channel});
  append_redis_command(question_, {"PUBSUB", "NUMPAT"});
}

void ListenerWatch::connected() {
  replies_due_ = 0;
  forbidden_ = false;
  doubted_ = false;
  listeners_ = 1;
  ask_at_ = {};
}

void ListenerWatch::published(std::int64_t receivers, Clock::time_point now) {
  if (receivers == 0 && listeners_ > 0 && !forbidden_) return doubt(now);
  doubted_ = false;
  listeners_ = receivers;
  ask_at_ = now + kAskEvery;
}

void ListenerWatch::doubt(Clock::time_point now) {
  // Entries that go on coming do not put the question off.
  if (!doubted_) ask_at_ = now + kAskEvery;
  doubted_ = true;
}

ListenerWatch::Clock::time_point ListenerWatch::ask_at() const {
  return stream_ || forbidden_ || asking() ? Clock::time_point::max() : ask_at_;
}

const std::string& ListenerWatch::question(Clock::time_point now) {
  ask_at_ = now + kAskEvery;
  replies_due_ = 2;
  counted_ = 0;
  return question_;
}

void ListenerWatch::take(const RedisPipe::Reply& reply) {
  --replies_due_;
  if (reply.kind == RedisPipe::Reply::Kind::kError) forbidden_ = true;
  counted_ += reply.integer;
  if (replies_due_ > 0 || forbidden_) return;
  doubted_ = false;
  listeners_ = counted_;
}

}  // namespace stargazer
