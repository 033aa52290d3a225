// Whatever a configuration holds as redis.url: it is read or refused, and what is shown of it holds no password.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "io/redis_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view url(reinterpret_cast<const char*>(data), size);
  const auto target = stargazer::parse_redis_url(url);
  if (!target) return target.error().message().empty() ? std::abort(), 0 : 0;
  if (target->host.empty() == target->unix_path.empty()) std::abort();
  if (target->port < 1 || target->port > 65535 || target->database < 0) std::abort();
  if (target->unix_path.empty()) {
    // The same place, shown, is again a URL of the same place.
    const auto again = stargazer::parse_redis_url("redis://" + target->shown());
    if (!again || again->shown() != target->shown()) std::abort();
  }
  return 0;
}
