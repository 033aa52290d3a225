#include "io/redis_target.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <limits>
#include <optional>
#include <sys/un.h>
#include <unistd.h>

namespace stargazer {
namespace {

// No message of this file repeats any part of the URL: a mistyped one may hold the password anywhere.
constexpr std::string_view kForms =
    "allowed is redis://[user[:password]@]host[:port][/database] or unix:///path[?db=N]";
constexpr std::size_t kPasswordFileBytesMax = 4096;
constexpr std::size_t kUrlBytesMax = 4096;
constexpr int kDefaultPort = 6379;

Error bad(std::string_view problem) {
  return Error(std::string(problem) + "; " + std::string(kForms));
}

// A whole number of digits only, at most `max`.
std::optional<int> number(std::string_view text, int max) {
  int value = 0;
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

std::optional<unsigned> hex_digit(char character) {
  if (character >= '0' && character <= '9') return static_cast<unsigned>(character - '0');
  if (character >= 'a' && character <= 'f') return static_cast<unsigned>(character - 'a') + 10;
  if (character >= 'A' && character <= 'F') return static_cast<unsigned>(character - 'A') + 10;
  return std::nullopt;
}

// Decodes "%41". None when an escape is cut short or not hexadecimal.
std::optional<std::string> decoded(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      result += text[at];
      continue;
    }
    if (text.size() - at < 3) return std::nullopt;
    const auto high = hex_digit(text[at + 1]);
    const auto low = hex_digit(text[at + 2]);
    if (!high || !low) return std::nullopt;
    result += static_cast<char>(*high << 4U | *low);
    at += 2;
  }
  return result;
}

Status read_credentials(std::string_view text, RedisTarget* target) {
  const std::size_t colon = text.find(':');
  const auto username = decoded(text.substr(0, colon));
  const auto password = decoded(colon == std::string_view::npos ? "" : text.substr(colon + 1));
  if (!username || !password) return bad("the URL's user name or password has a bad percent escape");
  target->username = *username;
  target->password = *password;
  return {};
}

Status read_host(std::string_view text, RedisTarget* target) {
  auto address = parse_host_port(text, kDefaultPort);
  if (!address) return bad("the URL's " + address.error().message());
  target->host = std::move(address->host);
  target->port = address->port;
  return {};
}

Status read_database(std::string_view text, RedisTarget* target) {
  const auto database = number(text, std::numeric_limits<int>::max());
  if (!database) return bad("the URL's database is not a number");
  target->database = *database;
  return {};
}

// What follows "redis://".
Result<RedisTarget> parse_tcp(std::string_view text) {
  RedisTarget target;
  const std::size_t slash = text.find('/');
  std::string_view authority = text.substr(0, slash);
  const std::string_view database = slash == std::string_view::npos ? "" : text.substr(slash + 1);
  if (!database.empty()) {
    if (Status status = read_database(database, &target); !status) return status.error();
  }
  // The last "@", so that nothing of a password with an unescaped one is taken for the host and shown.
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    if (Status status = read_credentials(authority.substr(0, at), &target); !status) return status.error();
    authority.remove_prefix(at + 1);
  }
  if (Status status = read_host(authority, &target); !status) return status.error();
  return target;
}

// What follows "unix://".
Result<RedisTarget> parse_unix(std::string_view text) {
  RedisTarget target;
  const std::size_t question = text.find('?');
  const auto path = decoded(text.substr(0, question));
  if (!path || path->empty() || path->front() != '/') return bad("the URL's path is not absolute");
  if (path->find('\0') != std::string::npos) return bad("the URL's path holds a NUL");
  if (path->size() >= sizeof(sockaddr_un::sun_path)) {
    return Error("the URL's path is longer than the " + std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
                 " bytes that a Unix socket may have");
  }
  target.unix_path = *path;
  if (question == std::string_view::npos) return target;
  const std::string_view query = text.substr(question + 1);
  constexpr std::string_view kDatabaseKey = "db=";
  if (!query.starts_with(kDatabaseKey)) return bad("the URL's query is not db=N");
  if (Status status = read_database(query.substr(kDatabaseKey.size()), &target); !status) return status.error();
  return target;
}

Error file_error(const std::string& path, std::string_view problem) {
  return Error("redis.password_file: " + path + ": " + std::string(problem));
}

Result<std::string> first_line_of(const std::string& path) {
  // Without O_NONBLOCK a FIFO that nobody writes to would hold up the start for ever.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return file_error(path, std::strerror(errno));
  std::array<char, kPasswordFileBytesMax + 1> buffer{};
  std::size_t size = 0;
  ssize_t got = 0;
  do {
    got = read(file, buffer.data() + size, buffer.size() - size);
    if (got > 0) size += static_cast<std::size_t>(got);
  } while ((got > 0 && size < buffer.size()) || (got < 0 && errno == EINTR));
  const int read_error = got < 0 ? errno : 0;
  close(file);
  if (read_error != 0) return file_error(path, std::strerror(read_error));
  if (size > kPasswordFileBytesMax) return file_error(path, "is larger than 4 KiB");
  std::string_view line(buffer.data(), size);
  line = line.substr(0, line.find('\n'));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.empty()) return file_error(path, "its first line is empty");
  return std::string(line);
}

Status read_sentinels(const RedisConfig& config, RedisTarget* target) {
  for (const std::string& text : config.sentinels) {
    auto sentinel = parse_host_port(text, 0);
    if (!sentinel) return Error("redis.sentinels: " + sentinel.error().message());
    target->sentinels.push_back(std::move(sentinel).value());
  }
  if (target->sentinels.empty()) return {};
  target->host.clear();
  target->unix_path.clear();
  target->master_name = config.master_name;
  target->master = std::make_shared<MasterAddress>();
  return {};
}

}  // namespace

std::optional<HostPort> MasterAddress::get() const {
  const std::lock_guard lock(mutex_);
  return address_;
}

void MasterAddress::set(HostPort address) {
  const std::lock_guard lock(mutex_);
  address_ = std::move(address);
}

std::string RedisTarget::shown() const {
  const std::string slash_database = "/" + std::to_string(database);
  if (!sentinels.empty()) return master_name + slash_database;
  if (!unix_path.empty()) return unix_path + slash_database;
  return HostPort{host, port}.shown() + slash_database;
}

Result<RedisTarget> parse_redis_url(std::string_view url) {
  constexpr std::string_view kTcp = "redis://";
  constexpr std::string_view kTls = "rediss://";
  constexpr std::string_view kUnix = "unix://";
  if (url.size() > kUrlBytesMax) return bad("the URL is longer than 4 KiB");
  if (url.starts_with(kTcp)) return parse_tcp(url.substr(kTcp.size()));
  if (url.starts_with(kUnix)) return parse_unix(url.substr(kUnix.size()));
  if (url.starts_with(kTls)) {
    return Error(
        "rediss:// (TLS) is not supported; use redis:// or unix:// through a local TLS tunnel such as stunnel");
  }
  return bad("the URL's scheme is neither redis:// nor unix://");
}

Result<RedisTarget> redis_target(const RedisConfig& config) {
  auto target = parse_redis_url(config.url);
  if (!target) return target.error().in("redis.url");
  if (!config.username.empty()) target->username = config.username;
  if (Status status = read_sentinels(config, &*target); !status) return status.error();
  if (config.password_file.empty()) return target;
  auto password = first_line_of(config.password_file);
  if (!password) return password.error();
  target->password = std::move(password).value();
  return target;
}

}  // namespace stargazer
