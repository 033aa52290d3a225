// Whatever a server sends, in pieces of whatever size: values within our limits, or an error.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "io/redis_reply.h"

namespace {

using stargazer::RedisReplyReader;
using stargazer::RedisValue;

void check(const RedisValue& value, int depth) {
  if (depth > RedisReplyReader::kDepthMax + 1) std::abort();
  if (value.elements.size() > RedisReplyReader::kElementsMax) std::abort();
  if (!value.elements.empty() && value.kind != RedisValue::Kind::kArray) std::abort();
  for (const RedisValue& element : value.elements) check(element, depth + 1);
}

}  // namespace

// The first byte is the size of the pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = std::max<std::size_t>(data[0], 1);
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  RedisReplyReader reader;
  while (!rest.empty()) {
    if (!reader.feed(rest.substr(0, piece)).ok()) return 0;
    rest.remove_prefix(std::min(piece, rest.size()));
    for (;;) {
      const auto reply = reader.next();
      if (!reply.ok()) return 0;
      if (!reply->has_value()) break;
      check(**reply, 1);
    }
  }
  return 0;
}
