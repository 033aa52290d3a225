// Where a Redis is and how to log in, from a URL and a password file.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/host_port.h"
#include "core/config.h"
#include "core/result.h"

namespace stargazer {

// Where the master was last found that the sentinels spoke of, shared by the connections of all threads: the feed's
// follows those that ask the sentinels (io/redis.h).
class MasterAddress {
 public:
  // None before it was found for the first time.
  std::optional<HostPort> get() const;
  void set(HostPort address);

 private:
  mutable std::mutex mutex_;
  std::optional<HostPort> address_;
};

struct RedisTarget {
  std::string host;  // empty when unix_path is set, and with sentinels
  int port = 6379;
  std::string unix_path;
  int database = 0;
  std::string username;  // "" = the default user
  std::string password;  // "" = none; never printed

  // Who knows where the server is, asked in turn at each attempt; empty = it is at host or unix_path.
  std::vector<HostPort> sentinels;
  std::string master_name;                // what they call it
  std::shared_ptr<MasterAddress> master;  // one for all copies of a target; null without sentinels

  // "127.0.0.1:6379/0", "/run/redis.sock/0" or, with sentinels, "mymaster/0": for messages, without credentials.
  std::string shown() const;
};

// Reads "redis://[user[:password]@]host[:port][/database]" or "unix:///path[?db=N]". Percent escapes are decoded; an
// IPv6 host stands in brackets. Fails on anything else; the message never repeats a password. rediss:// (TLS) is
// refused with a message of its own.
Result<RedisTarget> parse_redis_url(std::string_view url);

// The target of a [redis] table: its url, then username and the first line of password_file, which win over the URL's,
// and the sentinels, which win over the URL's host. Fails when the URL or a sentinel's address is bad or the file
// cannot be read, is empty or larger than 4 KiB.
Result<RedisTarget> redis_target(const RedisConfig& config);

}  // namespace stargazer
