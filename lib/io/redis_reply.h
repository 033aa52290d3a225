// Bytes from a Redis server to RedisValues, with a limit on everything that the server decides.
//
// hiredis's reader parses; the values are built by our own functions, so that the size of an array is judged before
// memory is taken for it and a reply is not copied a second time. The protocol is RESP2: we never ask for another.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "io/redis.h"

namespace stargazer {

// A command as the array of bulk strings that the server expects. Fails when out of memory.
// REQUIRES: args is not empty.
Result<std::string> format_redis_command(const std::vector<std::string>& args);

class RedisReplyReader {
 public:
  // Our commands answer a few hundred bytes. More than this in one reply, or in what pretends to become one, is an
  // error.
  static constexpr std::size_t kReplyBytesMax = std::size_t{1} << 20U;
  static constexpr std::size_t kElementsMax = 4096;  // of one array
  static constexpr int kDepthMax = 7;                // arrays within arrays, as in hiredis before 1.0

  RedisReplyReader();
  ~RedisReplyReader();
  RedisReplyReader(const RedisReplyReader&) = delete;
  RedisReplyReader& operator=(const RedisReplyReader&) = delete;

  // Takes what has arrived. Fails when out of memory, or after next() has failed.
  Status feed(std::string_view bytes);

  // The next complete reply; none when more bytes are needed. Fails on anything that is not RESP2 or is beyond a limit;
  // nothing can be read after that.
  Result<std::optional<RedisValue>> next();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stargazer
