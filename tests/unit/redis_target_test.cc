#include "io/redis_target.h"

#include <fstream>

#include "support/temporary_directory.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::testing;

TEST_CASE("URLs of Redis over TCP are read", "[redis_target]") {
  struct Case {
    const char* url;
    const char* host;
    int port;
    int database;
    const char* username;
    const char* password;
  };
  const Case expected = GENERATE(Case{"redis://example.org", "example.org", 6379, 0, "", ""},
                                 Case{"redis://example.org/", "example.org", 6379, 0, "", ""},
                                 Case{"redis://127.0.0.1:7000/3", "127.0.0.1", 7000, 3, "", ""},
                                 Case{"redis://[::1]:7000/3", "::1", 7000, 3, "", ""},
                                 Case{"redis://[fe80::1%eth0]", "fe80::1%eth0", 6379, 0, "", ""},
                                 Case{"redis://:secret@h", "h", 6379, 0, "", "secret"},
                                 Case{"redis://worker@h/1", "h", 6379, 1, "worker", ""},
                                 Case{"redis://worker:s%2Fe%40%3acret@h:1", "h", 1, 0, "worker", "s/e@:cret"},
                                 Case{"redis://worker:a@b@h:65535", "h", 65535, 0, "worker", "a@b"});
  INFO(expected.url);
  const auto target = parse_redis_url(expected.url);
  REQUIRE(target.ok());
  CHECK(target->host == expected.host);
  CHECK(target->port == expected.port);
  CHECK(target->database == expected.database);
  CHECK(target->username == expected.username);
  CHECK(target->password == expected.password);
  CHECK(target->unix_path.empty());
}

TEST_CASE("URLs of a Unix socket are read", "[redis_target]") {
  CHECK(parse_redis_url("unix:///run/redis.sock")->unix_path == "/run/redis.sock");
  CHECK(parse_redis_url("unix:///run/a%20b.sock?db=12")->unix_path == "/run/a b.sock");
  CHECK(parse_redis_url("unix:///run/redis.sock?db=12")->database == 12);
}

TEST_CASE("what is no URL of a Redis is refused, without repeating it", "[redis_target]") {
  const auto [url, problem] = GENERATE(table<std::string, std::string>({
      {"", "scheme"},
      {"example.org", "scheme"},
      {"http://sesame@h", "scheme"},
      {"REDIS://sesame@h", "scheme"},
      {"rediss://:sesame@h", "TLS"},
      {"redis://", "host"},
      {"redis://:sesame@", "host"},
      {"redis://:sesame@/0", "host"},
      {"redis://:6379", "host"},
      {"redis://sesame h", "host"},
      {"redis://" + std::string(300, 'h'), "host"},
      {"redis://[::1", "closing bracket"},
      {"redis://[]", "host"},
      {"redis://[::1]sesame", "port"},
      {"redis://[sesame%]", "IPv6"},
      {"redis://h:", "port"},
      {"redis://h:0", "port"},
      {"redis://h:65536", "port"},
      {"redis://h:+1", "port"},
      {"redis://h:99999999999999999999", "port"},
      {"redis://user:sesame", "port"},
      {"redis://:ses/ame@h", "database"},
      {"redis://h/sesame", "database"},
      {"redis://h/-1", "database"},
      {"redis://h/2147483648", "database"},
      {"redis://h/0?sesame", "database"},
      {"redis://:sesame%@h", "percent escape"},
      {"redis://:sesame%4@h", "percent escape"},
      {"redis://:sesame%zz@h", "percent escape"},
      {"unix://run/sesame.sock", "path"},
      {"unix://", "path"},
      {"unix:///a%00sesame", "NUL"},
      {"unix:///" + std::string(107, 'x'), "107 bytes"},
      {"unix:///a?password=sesame", "query"},
      {"unix:///a?db=", "database"},
      {"unix:///a?db=1&x=sesame", "database"},
      {"redis://" + std::string(5000, 'x'), "4 KiB"},
  }));
  INFO(url);
  const auto target = parse_redis_url(url);
  REQUIRE_FALSE(target.ok());
  INFO(target.error().message());
  CHECK(target.error().message().find(problem) != std::string::npos);
  CHECK(target.error().message().find("sesame") == std::string::npos);
}

TEST_CASE("a target is shown without its credentials", "[redis_target]") {
  CHECK(parse_redis_url("redis://worker:sesame@127.0.0.1/2")->shown() == "127.0.0.1:6379/2");
  CHECK(parse_redis_url("redis://[::1]:7000")->shown() == "[::1]:7000/0");
  CHECK(parse_redis_url("unix:///run/redis.sock?db=1")->shown() == "/run/redis.sock/1");
}

TEST_CASE("the table's user name and password file win over the URL's", "[redis_target]") {
  const TemporaryDirectory directory;
  RedisConfig config;
  config.url = "redis://someone:else@h";
  config.password_file = (directory.path() / "password").string();
  const auto write = [&](const std::string& text) { std::ofstream(config.password_file) << text; };

  SECTION("the first line counts") {
    write("sesame\r\nnot this\n");
    config.username = "worker";
    const auto target = redis_target(config);
    REQUIRE(target.ok());
    CHECK(target->username == "worker");
    CHECK(target->password == "sesame");
  }
  SECTION("a file without a newline, of the largest size") {
    write(std::string(4096, 'x'));
    CHECK(redis_target(config)->password.size() == 4096);
    CHECK(redis_target(config)->username == "someone");
  }
  SECTION("a file that is too large") {
    write(std::string(4097, 'x'));
    CHECK(redis_target(config).error().message() ==
          "redis.password_file: " + config.password_file + ": is larger than 4 KiB");
  }
  SECTION("an empty file, and one whose first line is empty") {
    write(GENERATE("", "\nsesame\n"));
    CHECK(redis_target(config).error().message().find("its first line is empty") != std::string::npos);
  }
  SECTION("no file, and a directory") {
    CHECK(redis_target(config).error().message().find("No such file") != std::string::npos);
    config.password_file = directory.path().string();
    CHECK(redis_target(config).error().message().find("Is a directory") != std::string::npos);
  }
  SECTION("no file named: the URL's own") {
    config.password_file.clear();
    CHECK(redis_target(config)->password == "else");
  }
  SECTION("a bad URL is named by its key") {
    config.url = "nonsense";
    CHECK(redis_target(config).error().message().rfind("redis.url: ", 0) == 0);
  }
}

TEST_CASE("sentinels take the place of the URL's host", "[redis_target]") {
  RedisConfig config;
  config.url = GENERATE(as<std::string>(), "redis://:sesame@h:1/3", "unix:///run/redis.sock?db=3");
  config.sentinels = {"one.example.org:26379", "[::1]:26380"};
  config.master_name = "mymaster";
  const auto target = redis_target(config);
  REQUIRE(target.ok());
  CHECK(target->sentinels == std::vector<HostPort>{{"one.example.org", 26379}, {"::1", 26380}});
  CHECK(target->host.empty());
  CHECK(target->unix_path.empty());
  CHECK(target->database == 3);
  CHECK(target->shown() == "mymaster/3");
  CHECK_FALSE(target->master->get().has_value());

  config.sentinels.emplace_back("h");
  CHECK(redis_target(config).error().message() == "redis.sentinels: port is not a number from 1 to 65535");
}

TEST_CASE("the copies of a target share where the master was found", "[redis_target]") {
  RedisConfig config;
  config.sentinels = {"h:1"};
  const auto target = redis_target(config);
  const RedisTarget copy = *target;
  copy.master->set({"10.0.0.1", 6379});
  CHECK(target->master->get() == HostPort{"10.0.0.1", 6379});
}
