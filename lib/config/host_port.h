// "host:port", as redis.url and redis.sentinels hold it.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace stargazer {

struct HostPort {
  std::string host;  // a name or an address; an IPv6 address without its brackets
  int port = 0;

  bool operator==(const HostPort&) const = default;

  // "example.org:6379", "[::1]:6379".
  std::string shown() const;
};

// Reads "host:port", an IPv6 host in brackets. `default_port` stands for a port that is missing; 0 = it must be given.
// The message of a failure begins with what is wrong ("port is not …") and repeats nothing of the text.
Result<HostPort> parse_host_port(std::string_view text, int default_port);

// Whether a host is made of characters that names, or IPv6 addresses without brackets, are made of.
bool is_host(std::string_view host);

}  // namespace stargazer
