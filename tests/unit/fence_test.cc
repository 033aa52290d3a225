#include "io/fence.h"

#include "support/redis_server.h"
#include "unit/lease_node.h"

using namespace std::chrono_literals;
using namespace stargazer;
using namespace stargazer::testing;

namespace {

struct Fixture {
  Loop loop;
  RedisServer server;
  LeaseNode leader{loop, unix_target(server.socket_path()), "leader"};
  LeaseNode other{loop, unix_target(server.socket_path()), "other"};
  std::uint64_t epoch = leader.acquire(41).facts.epoch;
  Fence fence{kLeaseKey, "leader", epoch};

  Result<RedisValue> write(const std::vector<std::string>& command) {
    return leader.client.ask(fenced_command(fence, command));
  }
  std::int64_t exists(const std::string& key) { return leader.client.ask({"EXISTS", key})->integer; }
};

}  // namespace

TEST_CASE("what is written in the name of the current term is written", "[fence]") {
  Fixture fixture;
  CHECK(fixture.write({"HSET", "h", "name", std::string("a\0\xff\r\n", 5), "n", "2"})->integer == 2);
  CHECK(fixture.leader.client.ask({"HGET", "h", "name"})->text == std::string("a\0\xff\r\n", 5));
  CHECK(fixture.write({"PUBLISH", "channel", "message"})->integer == 0);
  const auto id = fixture.write({"XADD", "stream", "*", "field", "value"});
  CHECK(id->kind == RedisValue::Kind::kString);
  CHECK(fixture.leader.client.ask({"XLEN", "stream"})->integer == 1);
  CHECK(fixture.write({"EXPIRE", "h", "100"})->integer == 1);
}

TEST_CASE("an error of the command itself is not one of the fence", "[fence]") {
  Fixture fixture;
  CHECK(fixture.write({"SET", "text", "x"}).ok());
  const auto answer = fixture.write({"HSET", "text", "a", "b"});
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().message().find("WRONGTYPE") == 0);
  CHECK_FALSE(refused_by_fence(answer.error()));
  CHECK_FALSE(refused_by_fence(Error("redis.sock: the connection was lost: FENCED")));
}

TEST_CASE("what is written in the name of another term is refused, and changes nothing", "[fence]") {
  Fixture fixture;
  auto& client = fixture.leader.client;
  SECTION("the epoch is old") {
    CHECK(fixture.leader.release().answer == LeaseReply::Answer::kReleased);
    CHECK(fixture.leader.acquire().facts.epoch == 42);
  }
  SECTION("the epoch is not yet granted") {
    ++fixture.fence.epoch;
  }
  SECTION("another holder") {
    CHECK(fixture.leader.release().answer == LeaseReply::Answer::kReleased);
    CHECK(fixture.other.acquire().facts.epoch == 42);
  }
  SECTION("a holder that keeps no epoch") {
    CHECK(client.ask({"SET", kLeaseKey, "python", "EX", "30"}).ok());
  }
  SECTION("the key is gone") {
    CHECK(client.ask({"DEL", kLeaseKey})->integer == 1);
  }
  SECTION("the hash is gone") {
    CHECK(client.ask({"DEL", kTermKey})->integer == 1);
  }
  SECTION("the epoch is gone") {
    CHECK(client.ask({"HDEL", kTermKey, "epoch"})->integer == 1);
  }
  SECTION("the holder is huge") {
    CHECK(client.ask({"SET", kLeaseKey, "\r\n" + std::string(1 << 20, 'x'), "EX", "30"}).ok());
  }
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"HSET", "h", "a", "b"}, {"XADD", "stream", "*", "a", "b"}, {"PUBLISH", "c", "m"}}) {
    const auto answer = fixture.write(command);
    REQUIRE_FALSE(answer.ok());
    CHECK(refused_by_fence(answer.error()));
    CHECK(answer.error().message().size() < 400);
  }
  CHECK(fixture.exists("h") == 0);
  CHECK(fixture.exists("stream") == 0);
  CHECK(client.redis.reachable());
}

TEST_CASE("several commands are one step, and the last one answers", "[fence]") {
  Fixture fixture;
  const std::vector<std::vector<std::string>> commands{
      {"HSET", "h", "a", "b"}, {"PEXPIRE", "h", "5000"}, {"HLEN", "h"}};
  CHECK(fixture.leader.client.ask(fenced_commands(fixture.fence, commands))->integer == 1);
  CHECK(fixture.leader.client.ask({"PTTL", "h"})->integer > 0);
  fixture.fence.epoch = 1;
  CHECK(refused_by_fence(fixture.leader.client.ask(fenced_commands(fixture.fence, {{"DEL", "h"}})).error()));
  CHECK(fixture.exists("h") == 1);
}

TEST_CASE("more arguments than a script can hold are an error, not a crash", "[fence]") {
  Fixture fixture;
  std::vector<std::string> command{"RPUSH", "list"};
  command.resize(20'000, "x");
  const auto answer = fixture.write(command);
  REQUIRE_FALSE(answer.ok());
  CHECK_FALSE(refused_by_fence(answer.error()));
  CHECK(fixture.exists("list") == 0);
}
