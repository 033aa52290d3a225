#include "jobs/setup.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "io/system_error.h"

namespace stargazer::jobs {
namespace {

constexpr std::size_t kSecretBytesMax = 4096;

const Json* part_of_setup(const Json& params, const char* name) {
  const Json* setup = member_of(params, "setup");
  const Json* part = setup == nullptr ? nullptr : member_of(*setup, name);
  return part != nullptr && part->is_object() ? part : nullptr;
}

RedisConfig redis_config(const Json& redis) {
  RedisConfig config;
  config.url = text_member(redis, "url");
  config.username = text_member(redis, "username");
  config.password_file = text_member(redis, "password_file");
  config.master_name = text_member(redis, "master_name");
  const Json* sentinels = member_of(redis, "sentinels");
  for (std::size_t place = 0; sentinels != nullptr && sentinels->is_array() && place < sentinels->size(); ++place) {
    if ((*sentinels)[place].is_string()) config.sentinels.push_back((*sentinels)[place].get<std::string>());
  }
  return config;
}

Result<RedisLink> connect_to(const RedisConfig& config) {
  const auto target = redis_target(config);
  if (!target) return target.error();
  return RedisLink::connect(*target, {});
}

}  // namespace

Result<RedisLink> connect_redis(const Json& params) {
  const Json* redis = part_of_setup(params, "redis");
  if (redis == nullptr) return Error("[redis] is not configured");
  return connect_to(redis_config(*redis));
}

bool has_graph_server(const Json& params) {
  return part_of_setup(params, "kg") != nullptr;
}

Result<RedisLink> connect_graph_server(const Json& params) {
  const Json* kg = part_of_setup(params, "kg");
  if (kg == nullptr) return Error("[kg] is not configured");
  const std::string url = text_member(*kg, "url");
  if (url.empty()) return connect_redis(params);
  const Json* redis = part_of_setup(params, "redis");
  RedisConfig config = redis == nullptr ? RedisConfig{} : redis_config(*redis);
  config.url = url;
  config.sentinels.clear();  // they know where [redis] is
  config.master_name.clear();
  auto link = connect_to(config);
  if (!link) return link.error().in("kg.url");
  return link;
}

std::string graph_name(const Json& params) {
  const Json* kg = part_of_setup(params, "kg");
  return kg == nullptr ? "" : text_member(*kg, "graph");
}

ModelSetup model_setup(const Json& params) {
  const Json* openrouter = part_of_setup(params, "openrouter");
  if (openrouter == nullptr) return {};
  return {text_member(*openrouter, "base_url"), text_member(*openrouter, "api_key_file")};
}

bool flag_of(const Json& params, const char* name, bool fallback) {
  const Json* flags = member_of(params, "flags");
  const Json* flag = flags == nullptr ? nullptr : member_of(*flags, name);
  if (flag == nullptr || flag->is_null()) return fallback;
  if (flag->is_boolean()) return flag->get<bool>();
  if (flag->is_number()) return flag->get<double>() != 0.0;
  return !flag->is_string() || !flag->get_ref<const std::string&>().empty();
}

Result<std::string> read_secret(const std::string& path) {
  // Without O_NONBLOCK a FIFO that nobody writes to would hold up the job.
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return system_error(path, errno);
  std::array<char, kSecretBytesMax + 1> buffer{};
  std::size_t size = 0;
  ssize_t got = 0;
  do {
    got = read(file.get(), buffer.data() + size, buffer.size() - size);
    if (got > 0) size += static_cast<std::size_t>(got);
  } while ((got > 0 && size < buffer.size()) || (got < 0 && errno == EINTR));
  if (got < 0) return system_error(path, errno);
  if (size > kSecretBytesMax) return Error("is larger than 4 KiB").in(path);
  std::string line(buffer.data(), size);
  line.resize(std::min(line.find('\n'), line.size()));
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  if (line.empty()) return Error("its first line is empty").in(path);
  // It becomes a line of a header: anything else could end that line and begin another.
  const bool printable = std::all_of(line.begin(), line.end(), [](char each) { return each > ' ' && each < 0x7f; });
  if (!printable) return Error("its first line holds a byte that is not printable ASCII").in(path);
  return line;
}

}  // namespace stargazer::jobs
