#include "config/host_port.h"

#include <algorithm>
#include <charconv>

namespace stargazer {
namespace {

constexpr std::size_t kHostBytesMax = 255;
constexpr int kPortMax = 65535;

bool is_name_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
}

// "%" begins the name of an interface.
bool is_ipv6_character(char c) {
  return is_name_character(c) || c == ':' || c == '%';
}

// 0 when it is no port.
int port_of(std::string_view text) {
  int port = 0;
  if (text.empty() || text.front() < '0' || text.front() > '9') return 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port <= kPortMax ? port : 0;
}

}  // namespace

std::string HostPort::shown() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool is_host(std::string_view host) {
  return !host.empty() && host.size() <= kHostBytesMax && std::all_of(host.begin(), host.end(), is_ipv6_character);
}

Result<HostPort> parse_host_port(std::string_view text, int default_port) {
  const bool bracketed = !text.empty() && text.front() == '[';
  const std::size_t end = bracketed ? text.find(']') : text.find(':');
  if (bracketed && end == std::string_view::npos) return Error("IPv6 address has no closing bracket");
  const std::string_view host = bracketed ? text.substr(1, end - 1) : text.substr(0, end);
  if (host.empty() || host.size() > kHostBytesMax) return Error("host is empty or too long");
  if (!std::all_of(host.begin(), host.end(), bracketed ? is_ipv6_character : is_name_character)) {
    return Error("host has a character that no host has");
  }
  if (bracketed && host.find(':') == std::string_view::npos) return Error("host in brackets is no IPv6 address");
  const std::string_view rest = end == std::string_view::npos ? "" : text.substr(bracketed ? end + 1 : end);
  if (rest.empty() && default_port != 0) return HostPort{std::string(host), default_port};
  const int port = rest.empty() || rest.front() != ':' ? 0 : port_of(rest.substr(1));
  if (port == 0) return Error("port is not a number from 1 to 65535");
  return HostPort{std::string(host), port};
}

}  // namespace stargazer
