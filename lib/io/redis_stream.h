// A byte stream to a Redis server on the event loop: finds the host's addresses, tries them in turn, reads and writes.
//
// It knows nothing of Redis's protocol and has no deadline of its own; whoever owns it has (io/redis.h). Why this is
// libuv's stream and not hiredis's own asynchronous connection: docs/decisions/0003-redis-on-uv-streams.md.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <netdb.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <vector>

#include <uv.h>

#include "core/result.h"
#include "io/redis_target.h"

namespace stargazer {

class RedisStream {
 public:
  // More addresses of one name than this are not tried.
  static constexpr std::size_t kAddressesMax = 16;

  // Called from the loop, never from inside a function of this class. None is called after retire().
  struct Callbacks {
    std::function<void()> connected;                 // once
    std::function<void(std::string_view)> received;  // the bytes are valid during the call
    std::function<void(const Error&)> failed;        // once; nothing follows
  };

  // `first_address` chooses which of the host's addresses is tried first, counted round: when one of them swallows
  // packets, an attempt ends without having tried the others, and the next attempt should begin with the next one.
  RedisStream(uv_loop_t* loop, const RedisTarget& target, std::size_t first_address, Callbacks callbacks);
  RedisStream(const RedisStream&) = delete;
  RedisStream& operator=(const RedisStream&) = delete;

  // Looks the host up and connects. Fails when not even the attempt can be made; then no callback follows.
  Status start();

  // Queues bytes for sending. Fails when the socket cannot be written to. REQUIRES: connected.
  Status write(std::string bytes);

  // Bytes that write() has taken and the kernel has not.
  std::size_t unsent_bytes() const;

  // Ends the stream and destroys it as soon as the loop holds nothing of it, then calls `gone`. That may be at once; it
  // takes long only while a name lookup runs, which nothing can interrupt.
  static void retire(std::unique_ptr<RedisStream> stream, std::function<void()> gone);

  // REQUIRES: never started, or called by retire().
  ~RedisStream() = default;

 private:
  struct Socket;
  struct Lookup;
  struct Write;

  Status connect_next();
  int connect_to(const sockaddr* address);
  int connect_to_unix_path();
  void looked_up(int status, const addrinfo* found);
  void connect_ended(int status);
  void opened();
  void read_ended(ssize_t size);
  void close_socket();
  void let_go();

  uv_loop_t* loop_;
  std::string host_;
  int port_;
  std::string unix_path_;
  std::size_t first_address_;
  Callbacks callbacks_;

  std::vector<sockaddr_storage> addresses_;
  std::size_t tried_ = 0;
  int last_error_ = 0;
  uv_getaddrinfo_t lookup_{};
  bool looking_up_ = false;
  Socket* socket_ = nullptr;  // freed by its close callback
  std::array<char, 65536> buffer_{};

  int held_by_loop_ = 0;  // sockets and lookups whose last callback is still to come
  bool retired_ = false;
  std::function<void()> gone_;
};

}  // namespace stargazer
