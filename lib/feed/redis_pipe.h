// The feed's own connection to Redis: batches of commands go out in one write, every reply is checked.
//
// It blocks, since its thread has nothing else to do, but never for long: looking the host up, connecting and logging
// in take kConnectTimeout together, a server that neither takes bytes nor answers is given up after kProgressTimeout,
// and a stop request ends a connection attempt at once and an exchange after kStopGrace.
//
// With sentinels it does not ask them itself: it goes where the daemon's other connections have last found the master
// (RedisTarget::master), and leaves again when the server there says that it is none.
#pragma once

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "feed/host_lookup.h"
#include "feed/stop_event.h"
#include "io/redis_target.h"

struct redisReader;

namespace stargazer {

// Appends one command in the form that Redis reads: "*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n". Any bytes are fine.
void append_redis_command(std::string& out, std::initializer_list<std::string_view> arguments);

class RedisPipe {
 public:
  static constexpr std::chrono::milliseconds kConnectTimeout{2000};
  static constexpr std::chrono::milliseconds kProgressTimeout{2000};
  static constexpr std::chrono::milliseconds kStopGrace{500};
  // A longer reply than this is not one that the feed asked for.
  static constexpr std::size_t kReplyBytesMax = std::size_t{64} * 1024;

  enum class Reply { kStatus, kInteger, kRoleOfMaster };

  // How far an exchange came. Commands beyond `acknowledged` may or may not have taken effect.
  struct Outcome {
    std::size_t acknowledged = 0;
    Status status;
  };

  // `stop` must outlive it.
  RedisPipe(RedisTarget target, const StopEvent& stop);
  ~RedisPipe();
  RedisPipe(const RedisPipe&) = delete;
  RedisPipe& operator=(const RedisPipe&) = delete;

  // Connects anew, logs in, selects the database, and sees the server answer. Fails when any of that does, or when
  // asked to stop; it is not connected then. No message repeats a credential.
  Status connect();

  void close();
  bool connected() const { return fd_ != -1; }
  // To poll while nothing is expected: readable means that the server has closed the connection. -1 when not connected.
  int fd() const { return fd_; }

  // Sends `count` whole commands and waits for a reply of the given kind to each. After a failure the connection is
  // out of step: close it. REQUIRES: connected.
  Outcome exchange(std::string_view commands, std::size_t count, Reply expected);

 private:
  using Clock = std::chrono::steady_clock;
  using ReaderPointer = std::unique_ptr<redisReader, void (*)(redisReader*)>;

  Status open_socket();
  Status open_unix();
  Status open_tcp();
  Status find_host();
  Status open_address(const addrinfo& address, Clock::time_point deadline);
  Status log_in();
  Status command(std::initializer_list<std::string_view> arguments, Reply expected = Reply::kStatus);
  Status exchange_all(std::string_view commands, std::size_t count, Reply expected, std::size_t& acknowledged);
  Status send_some(std::string_view& unsent);
  Status receive_some();
  Status take_replies(std::size_t count, Reply expected, std::size_t& acknowledged);
  Status wait_for(int fd, short events);
  void made_progress();

  const RedisTarget target_;
  const StopEvent& stop_;
  HostPort address_;  // where a server over TCP is
  std::optional<HostLookup>
      lookup_;  // of address_; one that outlived its attempt is waited for again, not started twice
  int fd_ = -1;
  ReaderPointer reader_;
  std::size_t unparsed_bytes_ = 0;
  Clock::time_point deadline_{};
  std::optional<Clock::time_point> stop_seen_;
  bool may_finish_ = false;  // after a stop request: go on until deadline_
};

}  // namespace stargazer
