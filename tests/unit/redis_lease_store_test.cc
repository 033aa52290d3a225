#include "io/redis_lease_store.h"

#include "support/fake_server.h"
#include "support/redis_client.h"
#include "support/redis_server.h"
#include "unit/catch.h"

using namespace std::chrono_literals;
using namespace stargazer;
using namespace stargazer::testing;
using Answer = LeaseReply::Answer;

namespace {

const std::string kKey = "sg:leader:supervisor";

// What the source's Python supervisor sends (SPEC section 3).
const char* const kSourceRenew =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('expire', KEYS[1], tonumber(ARGV[2])) "
    "else return 0 end";

// A node that contends for the lease, with a connection of its own.
class Node {
 public:
  Node(Loop& loop, const RedisTarget& target, const std::string& id, Duration ttl = 30s)
      : loop_(loop), client(loop, target), store_(client.redis, kKey, id, ttl, 20s, [this](const Input& input) {
          replies_.push_back(std::get<LeaseReply>(input));
        }) {
    client.wait_until_reachable();
  }

  LeaseReply acquire() { return answer_to(&LeaseStore::acquire); }
  LeaseReply renew() { return answer_to(&LeaseStore::renew); }
  LeaseReply release() { return answer_to(&LeaseStore::release); }

 private:
  LeaseReply answer_to(void (LeaseStore::*request)(LeaseRequestId)) {
    const std::size_t before = replies_.size();
    (store_.*request)(++last_id_);
    REQUIRE(replies_.size() == before);
    loop_.run_until([&] { return replies_.size() > before; });
    REQUIRE(replies_.size() == before + 1);
    CHECK(replies_.back().id == last_id_);
    return replies_.back();
  }

  Loop& loop_;

 public:
  RedisClient client;

 private:
  RedisLeaseStore store_;
  std::vector<LeaseReply> replies_;
  LeaseRequestId last_id_ = 0;
};

RedisValue text(std::string value) {
  RedisValue result;
  result.kind = RedisValue::Kind::kString;
  result.text = std::move(value);
  return result;
}

RedisValue integer(std::int64_t value) {
  RedisValue result;
  result.kind = RedisValue::Kind::kInteger;
  result.integer = value;
  return result;
}

RedisValue array(std::vector<RedisValue> elements) {
  RedisValue result;
  result.kind = RedisValue::Kind::kArray;
  result.elements = std::move(elements);
  return result;
}

}  // namespace

TEST_CASE("two nodes take turns at the lease", "[lease_store]") {
  Loop loop;
  const RedisServer server;
  Node first(loop, unix_target(server.socket_path()), "first");
  Node second(loop, unix_target(server.socket_path()), "second");

  CHECK(first.renew().answer == Answer::kMissing);
  CHECK(first.release().answer == Answer::kMissing);
  CHECK(first.client.ask({"EXISTS", kKey})->integer == 0);

  const auto granted = first.acquire();
  CHECK(granted.answer == Answer::kGranted);
  CHECK(granted.holder == "first");
  CHECK(granted.remaining == 30s);
  CHECK(granted.cause.empty());

  for (const auto& refused : {second.acquire(), second.renew(), second.release()}) {
    CHECK(refused.answer == Answer::kHeld);
    CHECK(refused.holder == "first");
    CHECK(refused.remaining > 0s);
    CHECK(refused.remaining <= 30s);
    CHECK(refused.cause.empty());
  }
  CHECK(first.acquire().answer == Answer::kGranted);
  CHECK(first.renew().answer == Answer::kGranted);

  CHECK(first.release().answer == Answer::kReleased);
  CHECK(second.acquire().answer == Answer::kGranted);
  CHECK(first.release().answer == Answer::kHeld);
  CHECK(second.renew().answer == Answer::kGranted);
}

TEST_CASE("the key holds the node id exactly, with a ttl in milliseconds that each grant counts anew",
          "[lease_store]") {
  Loop loop;
  const RedisServer server;
  const std::string id("node \xff\0 1", 9);
  Node node(loop, unix_target(server.socket_path()), id, 30'500ms);
  CHECK(node.acquire().holder == "node \\xff\\x00 1");
  CHECK(node.client.ask({"GET", kKey})->text == id);
  const auto ttl_ms = [&] { return node.client.ask({"PTTL", kKey})->integer; };
  CHECK(ttl_ms() > 30'000);
  CHECK(ttl_ms() <= 30'500);

  const bool by_renew = GENERATE(true, false);
  CHECK(node.client.ask({"PEXPIRE", kKey, "10000"})->integer == 1);
  CHECK((by_renew ? node.renew() : node.acquire()).answer == Answer::kGranted);
  CHECK(ttl_ms() > 10'000);
}

TEST_CASE("it interoperates with the source's commands", "[lease_store]") {
  Loop loop;
  const RedisServer server;
  Node node(loop, unix_target(server.socket_path()), "cpp");

  SECTION("a lease of theirs is theirs") {
    CHECK(node.client.ask({"SET", kKey, "python", "NX", "EX", "30"})->text == "OK");
    CHECK(node.acquire().holder == "python");
    CHECK(node.renew().answer == Answer::kHeld);
    CHECK(node.release().answer == Answer::kHeld);
    CHECK(node.client.ask({"EVAL", kSourceRenew, "1", kKey, "python", "30"})->integer == 1);
  }
  SECTION("a lease of ours is refused to them") {
    CHECK(node.acquire().answer == Answer::kGranted);
    CHECK(node.client.ask({"SET", kKey, "python", "NX", "EX", "30"})->kind == RedisValue::Kind::kNil);
    CHECK(node.client.ask({"GET", kKey})->text == "cpp");
    CHECK(node.client.ask({"EVAL", kSourceRenew, "1", kKey, "python", "30"})->integer == 0);
    CHECK(node.release().answer == Answer::kReleased);
    CHECK(node.client.ask({"SET", kKey, "python", "NX", "EX", "30"})->text == "OK");
  }
  SECTION("a key that the same node id took is renewed") {
    CHECK(node.client.ask({"SET", kKey, "cpp", "NX", "EX", "5"})->text == "OK");
    CHECK(node.acquire().answer == Answer::kGranted);
    CHECK(node.client.ask({"PTTL", kKey})->integer > 5000);
  }
}

TEST_CASE("a key that is not as it should be", "[lease_store]") {
  Loop loop;
  const RedisServer server;
  Node node(loop, unix_target(server.socket_path()), "cpp");

  SECTION("of another type") {
    CHECK(node.client.ask({"RPUSH", kKey, "cpp"}).ok());
    for (const auto& reply : {node.acquire(), node.renew(), node.release()}) {
      CHECK(reply.answer == Answer::kFailed);
      CHECK(reply.cause == "lease key " + kKey + ": the key holds something other than a string (WRONGTYPE)");
    }
  }
  SECTION("of another node, without a ttl") {
    CHECK(node.client.ask({"SET", kKey, "forever"}).ok());
    const auto reply = node.acquire();
    CHECK(reply.answer == Answer::kHeld);
    CHECK(reply.remaining == 0s);
    CHECK(reply.cause.find("never expires") != std::string::npos);
  }
  SECTION("of this node, without a ttl: it gets one") {
    CHECK(node.client.ask({"SET", kKey, "cpp"}).ok());
    CHECK(node.renew().answer == Answer::kGranted);
    CHECK(node.client.ask({"PTTL", kKey})->integer > 0);
  }
  SECTION("with a holder that is long and ugly") {
    CHECK(node.client.ask({"SET", kKey, "\n" + std::string(100'000, 'x'), "PX", "30000"}).ok());
    const auto reply = node.renew();
    CHECK(reply.answer == Answer::kHeld);
    CHECK(reply.holder.substr(0, 5) == "\\x0ax");
    CHECK(reply.holder.size() < 300);
  }
}

TEST_CASE("a store that cannot be asked answers that it failed", "[lease_store]") {
  Loop loop;
  RedisServer server;
  Node node(loop, unix_target(server.socket_path()), "cpp");
  server.kill();
  const auto reply = node.acquire();
  CHECK(reply.answer == Answer::kFailed);
  CHECK(reply.cause.rfind("lease key " + kKey + ": ", 0) == 0);
  server.start();
  node.client.wait_until_reachable();
  CHECK(node.renew().answer == Answer::kMissing);
}

TEST_CASE("an answer that no script of ours gives is a failure", "[lease_store]") {
  const auto answer =
      GENERATE(as<RedisValue>(), RedisValue(), text("OK"), integer(1), array({}), array({integer(1), text("n")}),
               array({integer(2), text("n"), integer(1)}), array({text("1"), text("n"), integer(1)}),
               array({integer(1), RedisValue(), integer(1)}), array({integer(1), text("n"), text("1")}),
               array({integer(1), text("n"), integer(1), integer(1)}));
  const auto reply = lease_reply(5, answer, Answer::kGranted);
  CHECK(reply.id == 5);
  CHECK(reply.answer == Answer::kFailed);
  CHECK_FALSE(reply.cause.empty());
}

TEST_CASE("a remaining time out of all bounds is cut", "[lease_store]") {
  const auto remaining = [](std::int64_t milliseconds) {
    return lease_reply(1, array({integer(0), text("n"), integer(milliseconds)}), Answer::kGranted).remaining;
  };
  CHECK(remaining(INT64_MAX) == kDurationMax);
  CHECK(remaining(INT64_MIN) == 0s);
  CHECK(remaining(1) == 1ms);
}
