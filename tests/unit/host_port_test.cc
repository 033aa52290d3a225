#include "config/host_port.h"

#include "unit/catch.h"

using namespace stargazer;

TEST_CASE("a host and a port are read, and shown as they were written", "[host_port]") {
  const auto [text, host, port] = GENERATE(table<std::string, std::string, int>({
      {"example.org:26379", "example.org", 26379},
      {"127.0.0.1:1", "127.0.0.1", 1},
      {"[::1]:65535", "::1", 65535},
      {"[fe80::1%eth0]:80", "fe80::1%eth0", 80},
  }));
  const auto address = parse_host_port(text, 0);
  REQUIRE(address.ok());
  CHECK(*address == HostPort{host, port});
  CHECK(address->shown() == text);
}

TEST_CASE("a port may be left out only where there is a default", "[host_port]") {
  CHECK(parse_host_port("h", 6379)->port == 6379);
  CHECK(parse_host_port("[::1]", 6379)->port == 6379);
  CHECK(parse_host_port("h", 0).error().message() == "port is not a number from 1 to 65535");
  CHECK_FALSE(parse_host_port("h:", 6379).ok());
}

TEST_CASE("what is no host and port is refused", "[host_port]") {
  const auto text =
      GENERATE(as<std::string>(), "", ":26379", "h:0", "h:65536", "h:+1", "h:1x", "h: 1", "h:1:2", "a b:1", "::1:26379",
               "[::1:26379", "[]:1", "[h]:1", "[::1]x1", "h/1", "h\n:1", "user@h:1");
  CHECK_FALSE(parse_host_port(text, 0).ok());
}

TEST_CASE("what may be a host", "[host_port]") {
  CHECK(is_host("redis-1.example.org"));
  CHECK(is_host("fe80::1%eth0"));
  CHECK_FALSE(is_host(""));
  CHECK_FALSE(is_host("a b"));
  CHECK_FALSE(is_host(std::string(256, 'a')));
}
