// Where a Redis is and how to log in, from a URL and a password file.
#pragma once

#include <string>
#include <string_view>

#include "core/config.h"
#include "core/result.h"

namespace stargazer {

struct RedisTarget {
  std::string host;  // empty when unix_path is set
  int port = 6379;
  std::string unix_path;
  int database = 0;
  std::string username;  // "" = the default user
  std::string password;  // "" = none; never printed

  // "127.0.0.1:6379/0" or "/run/redis.sock/0": for messages, without credentials.
  std::string shown() const;
};

// Reads "redis://[user[:password]@]host[:port][/database]" or "unix:///path[?db=N]". Percent escapes are decoded; an
// IPv6 host stands in brackets. Fails on anything else; the message never repeats a password. rediss:// (TLS) is
// refused with a message of its own.
Result<RedisTarget> parse_redis_url(std::string_view url);

// The target of a [redis] table: its url, then username and the first line of password_file, which win over the URL's.
// Fails when the URL is bad or the file cannot be read, is empty or larger than 4 KiB.
Result<RedisTarget> redis_target(const RedisConfig& config);

}  // namespace stargazer
