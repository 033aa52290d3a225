// The Redis under test, with what it said and a way to wait for an answer.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/redis.h"
#include "support/loop.h"

namespace stargazer::testing {

// Impatient, so that a test that waits for a deadline or a second attempt is short.
inline Redis::Options quick_options() {
  Redis::Options options;
  options.command_timeout = std::chrono::milliseconds(500);
  options.backoff_min = std::chrono::milliseconds(1);
  options.backoff_max = std::chrono::milliseconds(20);
  return options;
}

// Patient, for what must not end by a deadline on a slow machine.
inline Redis::Options patient_options() {
  Redis::Options options = quick_options();
  options.command_timeout = std::chrono::seconds(30);
  return options;
}

inline RedisTarget unix_target(std::string path) {
  RedisTarget target;
  target.unix_path = std::move(path);
  return target;
}

inline RedisTarget tcp_target(std::string host, int port) {
  RedisTarget target;
  target.host = std::move(host);
  target.port = port;
  return target;
}

class RedisClient {
 public:
  struct State {
    bool reachable;
    std::string cause;
  };

  RedisClient(Loop& loop, RedisTarget target, Redis::Options options = patient_options())
      : loop_(loop),
        redis(loop.get(), std::move(target), std::move(options), [this](bool reachable, const std::string& cause) {
          states.push_back({reachable, cause});
        }) {}
  ~RedisClient() { close(); }
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  // Waits until it has said `count` things about its state and returns the last.
  State wait_for_state(std::size_t count) {
    loop_.run_until([&] { return states.size() >= count; });
    return states.back();
  }

  void wait_until_reachable() {
    loop_.run_until([&] { return redis.reachable(); });
  }

  // Sends a command and waits for its answer.
  Result<RedisValue> ask(const std::vector<std::string>& args, Duration timeout = Duration::zero()) {
    std::optional<Result<RedisValue>> answer;
    redis.command(
        args, [&](Result<RedisValue> value) { answer = std::move(value); }, timeout);
    loop_.run_until([&] { return answer.has_value(); });
    return *std::move(answer);
  }

  void close() {
    if (std::exchange(closing_, true)) return;
    bool closed = false;
    redis.close([&] { closed = true; });
    loop_.run_until([&] { return closed; });
  }

  // For a test that calls redis.close() itself.
  void expect_closed() { closing_ = true; }

 private:
  Loop& loop_;
  bool closing_ = false;

 public:
  std::vector<State> states;
  Redis redis;
};

}  // namespace stargazer::testing
