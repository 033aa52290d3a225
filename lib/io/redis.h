// One asynchronous connection to Redis on the event loop, which is always there or on its way back.
//
// It connects, logs in and selects the database by itself, and after every failure tries again with a jittered back-off
// from 0.1 s to 10 s. Every command has a deadline of its own: hiredis before 1.0 has none, and a server that accepts
// and never answers would otherwise hang us for ever (STYLE.md section 3). When a deadline passes, the connection is
// closed, because nothing that still arrives on it can be trusted to belong to its command, and every other command in
// flight fails with it.
//
// With sentinels (RedisTarget::sentinels) each attempt first asks one after the other where the master is, beginning
// with the one that knew it last, each within command_timeout. A server that turns out not to be the master, by its
// ROLE or by an answer of READONLY, LOADING or MASTERDOWN to a command, is left, and the sentinels are asked again.
//
// With a channel it listens and takes no commands. A peer that is gone without a word is noticed by a PING.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <uv.h>

#include "core/result.h"
#include "core/time.h"
#include "io/redis_target.h"

namespace stargazer {

// A reply, copied out of hiredis. Errors inside an array stay values of kind kError.
struct RedisValue {
  enum class Kind : std::uint8_t { kNil, kInteger, kString, kError, kArray };
  Kind kind = Kind::kNil;
  std::int64_t integer = 0;
  std::string text;                  // kString: any bytes; kError: the message
  std::vector<RedisValue> elements;  // kArray
};

// A top-level error reply is a failed Result with the server's message.
using RedisCallback = std::function<void(Result<RedisValue>)>;

class Redis {
 public:
  struct Options {
    Duration command_timeout = std::chrono::seconds(2);
    Duration backoff_min = std::chrono::milliseconds(100);
    Duration backoff_max = std::chrono::seconds(10);
    std::size_t in_flight_max = 1024;  // beyond it a command fails at once
    std::uint64_t seed = 0;            // of the back-off's jitter

    // Not empty: subscribes to this channel after each login and calls on_message, from the loop, for every message.
    // One that is not of this channel, or larger than a reply may be (io/redis_reply.h), ends the connection.
    std::string channel;
    std::function<void(const std::string& message)> on_message;
    Duration ping_every = std::chrono::seconds(15);  // of a connection with a channel
  };

  // Called from the loop on every change: reachable with an empty cause, or unreachable with the reason and what
  // happens next. The first failed attempt counts as a change, and so does another reason.
  using StateCallback = std::function<void(bool reachable, const std::string& cause)>;

  // Begins to connect at once. `loop` must outlive the object, and must run once more after close() for its handles.
  // REQUIRES: the process ignores SIGPIPE (libuv's writes raise it); backoff_min is not 0 and at most backoff_max.
  Redis(uv_loop_t* loop, RedisTarget target, Options options, StateCallback on_state);
  ~Redis();
  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;

  // Sends a command; `args` may hold any bytes. `callback` is called exactly once, never from inside command(), except
  // when close() has been called before: then not at all. Fails when not connected, on a full queue, an error reply, a
  // lost connection, or after `timeout` (zero = Options::command_timeout). REQUIRES: args is not empty; no channel.
  void command(const std::vector<std::string>& args, RedisCallback callback, Duration timeout = Duration::zero());

  bool reachable() const;
  const RedisTarget& target() const;

  // Ends the connection for good; callbacks still waiting are dropped. `on_closed` runs when no handle of ours is left
  // on the loop; only then may the object be destroyed. That takes one turn of the loop, except while a host name is
  // being looked up, which cannot be interrupted. A second call is a no-op.
  void close(std::function<void()> on_closed);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stargazer
