#include "io/eviction.h"

#include "support/redis_client.h"
#include "support/redis_server.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::testing;

TEST_CASE("the values of INFO are found by their whole name", "[eviction]") {
  const std::string info = "# Memory\r\nmaxmemory_human:0B\r\nmaxmemory:12\r\nempty:\r\nlast:x:y";
  CHECK(info_value(info, "maxmemory") == "12");
  CHECK(info_value(info, "maxmemory_human") == "0B");
  CHECK(info_value(info, "empty").empty());
  CHECK(info_value(info, "last") == "x:y");
  CHECK(info_value(info, "memory").empty());
  CHECK(info_value("", "maxmemory").empty());
}

TEST_CASE("a server that may evict the lease is warned of", "[eviction]") {
  Loop loop;
  const RedisServer server;
  RedisClient client(loop, unix_target(server.socket_path()));
  client.wait_until_reachable();
  const auto warning = [&](const std::string& limit, const std::string& policy) {
    CHECK(client.ask({"CONFIG", "SET", "maxmemory-policy", policy}).ok());
    CHECK(client.ask({"CONFIG", "SET", "maxmemory", limit}).ok());
    return eviction_warning(client.ask({"INFO", "memory"}));
  };
  CHECK(warning("0", "allkeys-lru").empty());
  CHECK(warning("100mb", "noeviction").empty());
  const auto policy = GENERATE(as<std::string>(), "allkeys-lru", "allkeys-random", "volatile-lru", "volatile-ttl");
  CHECK(warning("100mb", policy).find("maxmemory-policy is " + policy + "; set maxmemory-policy to noeviction") !=
        std::string::npos);
}

TEST_CASE("an answer that says nothing warns of nothing", "[eviction]") {
  CHECK(eviction_warning(Error("NOPERM no permission")).empty());
  CHECK(eviction_warning(RedisValue()).empty());
  RedisValue odd;
  odd.kind = RedisValue::Kind::kString;
  odd.text = "maxmemory:5\r\nmaxmemory_policy:\r\n";
  CHECK(eviction_warning(odd).empty());
}
