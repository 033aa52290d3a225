// A blocking connection to Redis for a job: connect, ask, answer. Nothing in it waits for longer than its time-outs,
// and whatever the server sends is a value or an error.
//
// A connection that has failed stays failed: a job that loses Redis ends, and its next run goes on (each job can).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "io/redis.h"
#include "io/redis_login.h"
#include "io/redis_reply.h"
#include "io/redis_target.h"
#include "io/unique_fd.h"

struct addrinfo;

namespace stargazer::jobs {

using RedisCommand = std::vector<std::string>;

class RedisLink {
 public:
  struct Options {
    Duration connect_timeout = std::chrono::seconds(5);  // looking the host up, connecting and logging in together
    Duration command_timeout = std::chrono::seconds(10);
  };

  // Connects, asks the sentinels if there are some, logs in and sees the server answer. No message repeats a password.
  static Result<RedisLink> connect(const RedisTarget& target, const Options& options);

  RedisLink(RedisLink&&) noexcept = default;
  RedisLink& operator=(RedisLink&&) noexcept = default;

  // One command and its answer; an error reply fails, with the server's message made printable. Fails as well when no
  // answer comes within `timeout` (zero = Options::command_timeout), on a lost connection and on what is no RESP2; the
  // connection is of no use then, and every further call fails. REQUIRES: args is not empty.
  Result<RedisValue> command(const RedisCommand& args, Duration timeout = Duration::zero());

  // The same for several commands that are sent in one go. An error reply stays a value of kind kError. The time-out is
  // that of all of them together.
  Result<std::vector<RedisValue>> pipeline(const std::vector<RedisCommand>& commands);

  // For messages: "redis 127.0.0.1:6379/0".
  const std::string& name() const { return name_; }

 private:
  using Clock = std::chrono::steady_clock;

  RedisLink(const RedisTarget& target, const Options& options);

  Status open(const RedisTarget& target);
  Status open_unix(const std::string& path);
  Status open_tcp(const HostPort& address);
  Status open_address(const addrinfo& address, Clock::time_point deadline);
  Status log_in(const std::vector<LoginStep>& steps);
  Result<HostPort> ask_sentinels(const RedisTarget& target);
  Result<RedisValue> ask_sentinel(const RedisTarget& target, const HostPort& sentinel, bool with_credentials);
  Status send(std::string_view bytes, Clock::time_point deadline);
  Result<RedisValue> receive(Clock::time_point deadline);
  Result<std::vector<RedisValue>> exchange(const std::vector<RedisCommand>& commands, Duration timeout);

  std::string name_;
  Options options_;
  UniqueFd fd_;
  std::unique_ptr<RedisReplyReader> reader_;
};

// Finds keys by SCAN, never KEYS: a server with millions of keys is never held up.
class KeyScan {
 public:
  // `prefix` is taken literally, whatever characters it has.
  KeyScan(RedisLink& redis, const std::string& prefix);

  // The next keys; perhaps none although it is not done. A key that is there from begin to end comes at least once.
  Result<std::vector<std::string>> next();
  bool done() const { return done_; }

 private:
  RedisLink& redis_;
  std::string pattern_;
  std::string cursor_ = "0";
  bool done_ = false;
};

}  // namespace stargazer::jobs
