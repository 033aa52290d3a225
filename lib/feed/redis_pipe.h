// The feed's own connection to Redis. Commands go out and replies come in without waiting for one another.
//
// Only connect() blocks, and never for long: looking the host up, connecting and logging in take kConnectTimeout
// together, and a stop request ends it at once.
//
// With sentinels it does not ask them itself: it goes where the daemon's other connections have last found the master
// (RedisTarget::master), and leaves again when the server there says that it is none.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "feed/stop_event.h"
#include "io/host_lookup.h"
#include "io/redis_target.h"

struct redisReader;

namespace stargazer {

// Appends one command in the form that Redis reads: "*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n". Any bytes are fine.
void append_redis_command(std::string& out, std::initializer_list<std::string_view> arguments);

class RedisPipe {
 public:
  static constexpr std::chrono::milliseconds kConnectTimeout{2000};
  // A longer reply than this is not one that the feed asked for.
  static constexpr std::size_t kReplyBytesMax = std::size_t{64} * 1024;

  struct Reply {
    enum class Kind { kInteger, kText, kError, kList };
    Kind kind = Kind::kText;
    std::int64_t integer = 0;  // of a list: that of its last element, if that is one
    std::string_view text;     // of a list: its first element, if that is one; good until the sink returns
  };
  // Called for each reply in its order. A failure ends receive() with that failure.
  using Sink = std::function<Status(const Reply&)>;

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
  // To poll for replies, and for room to send when send() took less than all. -1 when not connected.
  int fd() const { return fd_; }

  // Sends as much as the kernel takes now, and says how much that was. After a failure of this or the next one the
  // connection is out of step: close it; what the server said before it hung up is still there to be received.
  // REQUIRES: connected.
  Result<std::size_t> send(std::string_view commands);

  // Hands over the replies that have come. Fails when the server has closed the connection or does not speak the
  // protocol, after the replies that came before that. REQUIRES: connected.
  Status receive(const Sink& sink);

 private:
  using Clock = std::chrono::steady_clock;
  using ReaderPointer = std::unique_ptr<redisReader, void (*)(redisReader*)>;

  Status open_socket();
  Status open_unix();
  Status open_tcp();
  Status find_host();
  Status open_address(const addrinfo& address, Clock::time_point deadline);
  Status log_in();
  Status command(std::initializer_list<std::string_view> arguments, Reply::Kind expected = Reply::Kind::kText,
                 std::string_view expected_text = "");
  Status send_all(std::string_view commands);
  Status parse(const Sink& sink);
  Status wait_for(int fd, short events);

  const RedisTarget target_;
  const StopEvent& stop_;
  HostPort address_;  // where a server over TCP is
  std::optional<HostLookup>
      lookup_;  // of address_; one that outlived its attempt is waited for again, not started twice
  int fd_ = -1;
  ReaderPointer reader_;
  std::size_t unparsed_bytes_ = 0;
  Clock::time_point deadline_{};
};

}  // namespace stargazer
