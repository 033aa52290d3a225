#include "io/eviction.h"

#include "io/printable.h"

namespace stargazer {

std::string info_value(std::string_view info, std::string_view name) {
  while (!info.empty()) {
    const std::size_t end = info.find("\r\n");
    const std::string_view line = info.substr(0, end);
    const bool found = line.size() > name.size() && line.substr(0, name.size()) == name && line[name.size()] == ':';
    if (found) return std::string(line.substr(name.size() + 1));
    if (end == std::string_view::npos) break;
    info.remove_prefix(end + 2);
  }
  return "";
}

std::string eviction_warning(const Result<RedisValue>& info_memory) {
  constexpr std::size_t kShownBytesMax = 64;
  if (!info_memory) return "";
  const std::string limit = info_value(info_memory->text, "maxmemory");
  const std::string policy = info_value(info_memory->text, "maxmemory_policy");
  if (limit.empty() || limit == "0" || policy.empty() || policy == "noeviction") return "";
  return "Redis may evict the lease: maxmemory is set and maxmemory-policy is " + printable(policy, kShownBytesMax) +
         "; set maxmemory-policy to noeviction, or give the lease a Redis without maxmemory";
}

}  // namespace stargazer
