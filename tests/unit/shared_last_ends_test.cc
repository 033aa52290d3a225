#include "io/shared_last_ends.h"

#include <optional>
#include <string>
#include <vector>

#include "io/redis_lease_store.h"
#include "support/redis_client.h"
#include "support/redis_server.h"
#include "unit/catch.h"

using namespace std::chrono_literals;
using namespace stargazer;
using namespace stargazer::testing;

namespace {

const std::string kLeaseKey = "lease";
const std::string kKey = "lease:last_ends";
const WallTime kEnd{1795430000000000us};

RedisValue text(const std::string& value) {
  RedisValue result;
  result.kind = RedisValue::Kind::kString;
  result.text = value;
  return result;
}

RedisValue array(const std::vector<RedisValue>& elements) {
  RedisValue result;
  result.kind = RedisValue::Kind::kArray;
  result.elements = elements;
  return result;
}

// A node whose term has the epoch 5.
struct Node {
  Node(Loop& event_loop, const RedisServer& server)
      : loop(event_loop),
        client(event_loop, unix_target(server.socket_path())),
        ends(event_loop.get(), client.redis, kLeaseKey, "n1",
             {[this](LastEndsLearnt news) { learnt.push_back(std::move(news)); },
              [this](const std::string& problem) { warnings.push_back(problem); }}) {
    client.wait_until_reachable();
  }
  ~Node() {
    ends.close();
    loop.run_until([] { return true; });
  }
  void hold_lease(const std::string& epoch) {
    tell({"SET", kLeaseKey, "n1"});
    tell({"HSET", term_key(kLeaseKey), "epoch", epoch});
  }
  void tell(const std::vector<std::string>& command) { REQUIRE(client.ask(command).ok()); }
  std::string stored(const std::string& task) {
    const Result<RedisValue> answer = client.ask({"HGET", kKey, task});
    return answer.ok() ? answer->text : answer.error().message();
  }

  void wait_until_stored(const std::string& task, const std::string& end) {
    while (stored(task) != end) {
    }
  }

  Loop& loop;
  RedisClient client;
  SharedLastEnds ends;
  std::vector<LastEndsLearnt> learnt;
  std::vector<std::string> warnings;
};

}  // namespace

TEST_CASE("a hash of last ends is read, and what is no end is left out", "[shared_last_ends]") {
  const Result<std::map<std::string, WallTime>> ends =
      last_ends_of(array({text("a"), text("1795430000000000"), text("b"), text("-1"), text("c"), text("1e9"), text("d"),
                          text("9223372036854775807"), text("e"), text(""), text("f"), text("99999999999999999999")}));
  REQUIRE(ends.ok());
  CHECK(*ends == std::map<std::string, WallTime>{{"a", kEnd}});
  CHECK_FALSE(last_ends_of(text("a")).ok());
  CHECK_FALSE(last_ends_of(array({text("a")})).ok());
  CHECK_FALSE(last_ends_of(array({text("a"), array({})})).ok());
}

TEST_CASE("what one leader records the next one learns", "[shared_last_ends]") {
  Loop loop;
  RedisServer server;
  Node node(loop, server);
  node.hold_lease("5");
  node.ends.record("a", kEnd, 5);
  node.wait_until_stored("a", "1795430000000000");
  node.ends.term_began();
  loop.run_until([&] { return !node.learnt.empty(); });
  CHECK(node.learnt.at(0).last_ends == std::map<std::string, WallTime>{{"a", kEnd}});
  CHECK(node.warnings.empty());
}

TEST_CASE("a past term records nothing", "[shared_last_ends]") {
  Loop loop;
  RedisServer server;
  Node node(loop, server);
  node.hold_lease("6");
  node.ends.record("a", kEnd, 5);
  node.ends.record("b", kEnd, 6);
  node.wait_until_stored("b", "1795430000000000");
  CHECK(node.stored("a").empty());
}

TEST_CASE("a leader that is not told asks again, and says why once", "[shared_last_ends]") {
  Loop loop;
  RedisServer server;
  Node node(loop, server);
  node.tell({"SET", kKey, "something else"});
  node.ends.term_began();
  loop.run_until([&] { return !node.warnings.empty(); });
  CHECK(node.warnings.at(0).starts_with("lease:last_ends: "));
  CHECK(node.learnt.empty());
  node.tell({"DEL", kKey});
  loop.run_until([&] { return !node.learnt.empty(); });
  CHECK(node.learnt.at(0).last_ends.empty());
  CHECK(node.warnings.size() == 1);
}

TEST_CASE("an end that could not be sent is sent when Redis is back", "[shared_last_ends]") {
  Loop loop;
  RedisServer server;
  Node node(loop, server);
  server.kill();
  loop.run_until([&] { return !node.client.redis.reachable(); });
  node.ends.record("a", kEnd, 5);
  server.start();
  node.client.wait_until_reachable();
  node.hold_lease("5");
  node.ends.redis_reachable();
  node.wait_until_stored("a", "1795430000000000");
}
