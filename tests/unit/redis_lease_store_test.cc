#include "io/redis_lease_store.h"

#include "support/redis_server.h"
#include "unit/lease_node.h"

using namespace std::chrono_literals;
using namespace stargazer;
using namespace stargazer::testing;
using Answer = LeaseReply::Answer;

namespace {

// What the source's Python supervisor sends (SPEC section 3).
const char* const kSourceRenew =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('expire', KEYS[1], tonumber(ARGV[2])) "
    "else return 0 end";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A server and a node on it, and a second one of another name.
struct Fixture {
  Loop loop;
  RedisServer server;
  LeaseNode node{loop, unix_target(server.socket_path()), "cpp"};
  LeaseNode other{loop, unix_target(server.socket_path()), "other"};

  Result<RedisValue> ask(const std::vector<std::string>& args) { return node.client.ask(args); }
};

}  // namespace

TEST_CASE("a free lease is seen as free, and looking changes nothing", "[lease_store]") {
  Fixture fixture;
  const auto seen = fixture.node.observe();
  CHECK(seen.answer == Answer::kFree);
  CHECK(seen.facts.holder.empty());
  CHECK_FALSE(seen.facts.own);
  CHECK(seen.facts.remaining == 0s);
  CHECK(seen.facts.epoch == 0);
  CHECK(seen.facts.released_by.empty());
  const std::string info = fixture.ask({"INFO", "server"})->text;
  CHECK(contains(info, "run_id:" + seen.facts.server.substr(0, 40)));
  CHECK(seen.facts.server.substr(40) == fixture.node.field("born"));
  CHECK(fixture.node.observe().facts.server == seen.facts.server);
  const auto now = std::stoll(fixture.ask({"TIME"})->elements.at(0).text);
  CHECK(std::chrono::abs(seen.facts.store_time - std::chrono::seconds(now)) < 60s);
  CHECK(fixture.ask({"DBSIZE"})->integer == 1);
  CHECK(fixture.ask({"HLEN", kTermKey})->integer == 1);
}

TEST_CASE("a server that was flushed answers as another one", "[lease_store]") {
  Fixture fixture;
  const auto before = fixture.node.claim(1);
  CHECK(fixture.other.acquire(1).answer == Answer::kGranted);
  CHECK(fixture.ask({"FLUSHALL"})->text == "OK");
  const auto after = fixture.node.observe();
  CHECK(after.answer == Answer::kFree);
  CHECK(after.facts.epoch == 0);
  CHECK(after.facts.server != before.expected_server);
  CHECK(fixture.node.acquire(before).answer == Answer::kFree);
}

TEST_CASE("a birth that nobody of ours wrote is replaced", "[lease_store]") {
  Fixture fixture;
  const std::string born = GENERATE(as<std::string>(), "", "yesterday", "12345678901234567");
  REQUIRE(fixture.ask({"HSET", kTermKey, "born", born}).ok());
  const auto seen = fixture.node.observe();
  CHECK(seen.answer == Answer::kFree);
  CHECK(seen.facts.server.substr(40) == fixture.node.field("born"));
  CHECK(fixture.node.field("born") != born);
}

TEST_CASE("a term from its grant to its release, as both nodes see it", "[lease_store]") {
  Fixture fixture;
  LeaseNode& first = fixture.node;
  LeaseNode& second = fixture.other;

  const auto granted = first.acquire(1000);
  CHECK(granted.answer == Answer::kGranted);
  CHECK(granted.cause.empty());
  CHECK(granted.facts.holder == "cpp");
  CHECK(granted.facts.own);
  CHECK(granted.facts.epoch == 1000);
  CHECK(granted.facts.remaining == 30s);
  CHECK(first.field("epoch") == "1000");
  CHECK(first.field("holder") == "cpp");
  CHECK(first.field("start") == "cpp-start");
  CHECK(first.field("released") == "0");
  CHECK(fixture.ask({"PTTL", kTermKey})->integer == -1);

  for (const auto& refused : {second.observe(), second.acquire(), second.renew(1000), second.release(),
                              second.recreate(second.claim(1000))}) {
    CHECK(refused.answer == Answer::kHeld);
    CHECK(refused.facts.holder == "cpp");
    CHECK_FALSE(refused.facts.own);
    CHECK(refused.facts.epoch == 1000);
    CHECK(refused.facts.remaining > 0s);
    CHECK(refused.facts.remaining <= 30s);
    CHECK(refused.facts.released_by.empty());
  }

  const auto released = first.release();
  CHECK(released.answer == Answer::kReleased);
  CHECK(released.facts.holder.empty());
  CHECK_FALSE(released.facts.own);
  CHECK(released.facts.released_by == "cpp");
  const auto seen = second.observe();
  CHECK(seen.answer == Answer::kFree);
  CHECK(seen.facts.released_by == "cpp");
  CHECK(seen.facts.epoch == 1000);
  CHECK(first.release().answer == Answer::kFree);

  const auto next = second.acquire();
  CHECK(next.answer == Answer::kGranted);
  CHECK(next.facts.epoch == 1001);
  CHECK(next.facts.released_by.empty());
  CHECK(first.renew(1000).answer == Answer::kHeld);
  CHECK(first.release().answer == Answer::kHeld);
  CHECK(second.observe().facts.own);
}

TEST_CASE("an acquisition is granted only on the epoch and the server on which it was decided", "[lease_store]") {
  Fixture fixture;
  auto& node = fixture.node;
  CHECK(node.acquire(7).facts.epoch == 7);
  CHECK(node.release().answer == Answer::kReleased);
  LeaseClaim claim = node.claim(1);

  SECTION("as it is") {
    CHECK(node.acquire(claim).facts.epoch == 8);
  }
  SECTION("another epoch") {
    claim.expected_epoch = GENERATE(0U, 6U, 8U);
    const auto refused = node.acquire(claim);
    CHECK(refused.answer == Answer::kFree);
    CHECK(refused.facts.epoch == 7);
    CHECK(fixture.ask({"EXISTS", kLeaseKey})->integer == 0);
  }
  SECTION("another server") {
    claim.expected_server = GENERATE(as<std::string>(), "", "0123456789012345678901234567890123456789");
    CHECK(node.acquire(claim).answer == Answer::kFree);
    CHECK(fixture.ask({"EXISTS", kLeaseKey})->integer == 0);
  }
  SECTION("one that arrives twice, or late, grants once") {
    CHECK(node.acquire(claim).answer == Answer::kGranted);
    CHECK(fixture.ask({"DEL", kLeaseKey})->integer == 1);
    const auto late = node.acquire(claim);
    CHECK(late.answer == Answer::kFree);
    CHECK(late.facts.epoch == 8);
  }
  SECTION("after the data is lost the epoch is the candidate's") {
    fixture.server.kill();
    fixture.loop.run_until([&] { return !node.client.redis.reachable(); });
    fixture.server.start();
    node.client.wait_until_reachable();
    CHECK(node.acquire(claim).answer == Answer::kFree);
    const auto seen = node.observe();
    CHECK(seen.facts.epoch == 0);
    CHECK(seen.facts.server != claim.expected_server);
    CHECK(node.acquire(100).facts.epoch == 100);
  }
}

TEST_CASE("of two that take the same free lease at the same moment one gets it", "[lease_store]") {
  Fixture fixture;
  LeaseNode& first = fixture.node;
  LeaseNode& second = fixture.other;
  std::uint64_t last_epoch = 0;
  for (int round = 0; round < 50; ++round) {
    const LeaseClaim claim = first.claim(0);
    first.replies.clear();
    second.replies.clear();
    first.store.acquire(900, claim);
    second.store.acquire(900, claim);
    fixture.loop.run_until([&] { return !first.replies.empty() && !second.replies.empty(); });
    LeaseNode& winner = first.replies[0].answer == Answer::kGranted ? first : second;
    LeaseNode& loser = &winner == &first ? second : first;
    REQUIRE(winner.replies[0].answer == Answer::kGranted);
    REQUIRE(loser.replies[0].answer == Answer::kHeld);
    REQUIRE(winner.replies[0].facts.epoch == last_epoch + 1);
    last_epoch = winner.replies[0].facts.epoch;
    REQUIRE(winner.release().answer == Answer::kReleased);
  }
}

TEST_CASE("a renewal is for this start of this node and for this epoch", "[lease_store]") {
  Fixture fixture;
  auto& node = fixture.node;
  const std::uint64_t epoch = node.acquire().facts.epoch;
  CHECK(fixture.ask({"PEXPIRE", kLeaseKey, "10000"})->integer == 1);
  const auto ttl_ms = [&] { return fixture.ask({"PTTL", kLeaseKey})->integer; };

  SECTION("its own") {
    const auto renewed = node.renew(epoch);
    CHECK(renewed.answer == Answer::kGranted);
    CHECK(renewed.facts.remaining == 30s);
    CHECK(ttl_ms() > 10'000);
  }
  SECTION("another epoch") {
    const auto refused = node.renew(epoch + 1);
    CHECK(refused.answer == Answer::kHeld);
    CHECK(refused.facts.epoch == epoch);
    CHECK(ttl_ms() <= 10'000);
  }
  SECTION("another start of the same node") {
    LeaseNode again(fixture.loop, unix_target(fixture.server.socket_path()),
                    {kLeaseKey, "cpp", "another start", 30s, 20s, 0});
    for (const auto& refused : {again.observe(), again.renew(epoch), again.release()}) {
      CHECK(refused.answer == Answer::kHeld);
      CHECK(refused.facts.holder == "cpp");
      CHECK_FALSE(refused.facts.own);
    }
    CHECK(ttl_ms() <= 10'000);
  }
  SECTION("the hash is gone") {
    CHECK(fixture.ask({"DEL", kTermKey})->integer == 1);
    const auto refused = node.renew(epoch);
    CHECK(refused.answer == Answer::kHeld);
    CHECK_FALSE(refused.facts.own);
    CHECK(refused.facts.epoch == 0);
    CHECK(node.release().answer == Answer::kHeld);
    CHECK(fixture.ask({"GET", kLeaseKey})->text == "cpp");
  }
  SECTION("the key is gone") {
    CHECK(fixture.ask({"DEL", kLeaseKey})->integer == 1);
    const auto refused = node.renew(epoch);
    CHECK(refused.answer == Answer::kFree);
    CHECK(refused.facts.epoch == epoch);
    CHECK(refused.facts.released_by.empty());
  }
}

TEST_CASE("a holder whose key has vanished sets it again under its epoch, once", "[lease_store]") {
  Fixture fixture;
  auto& node = fixture.node;
  const std::uint64_t epoch = node.acquire(5).facts.epoch;

  const bool all_is_lost = GENERATE(false, true);
  CHECK(fixture.ask(all_is_lost ? std::vector<std::string>{"FLUSHALL"} : std::vector<std::string>{"DEL", kLeaseKey})
            .ok());
  LeaseClaim claim = node.claim(epoch);
  const auto again = node.recreate(claim);
  CHECK(again.answer == Answer::kGranted);
  CHECK(again.facts.own);
  CHECK(again.facts.epoch == 5);
  CHECK(again.facts.remaining == 30s);
  CHECK(node.renew(5).answer == Answer::kGranted);
  CHECK(node.recreate(node.claim(epoch)).answer == Answer::kHeld);

  SECTION("not when somebody had the lease since") {
    CHECK(node.release().answer == Answer::kReleased);
    CHECK(fixture.other.acquire().facts.epoch == 6);
    CHECK(fixture.other.release().answer == Answer::kReleased);
    CHECK(node.recreate(node.claim(5)).answer == Answer::kFree);
    claim = node.claim(5);
    claim.expected_epoch = 5;
    CHECK(node.recreate(claim).answer == Answer::kFree);
    CHECK(node.field("epoch") == "6");
  }
  SECTION("not on another server") {
    CHECK(fixture.ask({"DEL", kLeaseKey})->integer == 1);
    claim = node.claim(5);
    claim.expected_server = "another";
    CHECK(node.recreate(claim).answer == Answer::kFree);
  }
}

TEST_CASE("a release is announced to those who listen", "[lease_store]") {
  Fixture fixture;
  std::vector<std::string> heard;
  Redis::Options options = patient_options();
  options.channel = announcement_channel(kLeaseKey);
  options.on_message = [&](const std::string& message) { heard.push_back(message); };
  RedisClient listener(fixture.loop, unix_target(fixture.server.socket_path()), options);
  listener.wait_until_reachable();
  CHECK(fixture.node.acquire().answer == Answer::kGranted);
  CHECK(fixture.other.release().answer == Answer::kHeld);
  CHECK(fixture.node.release().answer == Answer::kReleased);
  fixture.loop.run_until([&] { return !heard.empty(); });
  CHECK(heard == std::vector<std::string>{"cpp"});
}

TEST_CASE("the key holds the node id exactly, and lives as long as asked for", "[lease_store]") {
  Loop loop;
  const RedisServer server;
  const std::string id("node \xff\0 1", 9);
  LeaseNode node(loop, unix_target(server.socket_path()), id, 30'500ms);
  const auto granted = node.acquire();
  CHECK(granted.facts.holder == "node \\xff\\x00 1");
  CHECK(granted.facts.own);
  CHECK(node.client.ask({"GET", kLeaseKey})->text == id);
  const auto ttl_ms = node.client.ask({"PTTL", kLeaseKey})->integer;
  CHECK(ttl_ms > 30'000);
  CHECK(ttl_ms <= 30'500);
  CHECK(node.renew(granted.facts.epoch).answer == Answer::kGranted);
}

TEST_CASE("it interoperates with the source's commands", "[lease_store]") {
  Fixture fixture;
  auto& node = fixture.node;

  SECTION("a lease of theirs is theirs") {
    CHECK(fixture.ask({"SET", kLeaseKey, "python", "NX", "EX", "30"})->text == "OK");
    const auto seen = node.observe();
    CHECK(seen.answer == Answer::kHeld);
    CHECK(seen.facts.holder == "python");
    CHECK(seen.facts.epoch == 0);
    CHECK(node.acquire().answer == Answer::kHeld);
    CHECK(node.release().answer == Answer::kHeld);
    CHECK(fixture.ask({"EVAL", kSourceRenew, "1", kLeaseKey, "python", "30"})->integer == 1);
  }
  SECTION("a lease of ours is refused to them") {
    CHECK(node.acquire().answer == Answer::kGranted);
    CHECK(fixture.ask({"SET", kLeaseKey, "python", "NX", "EX", "30"})->kind == RedisValue::Kind::kNil);
    CHECK(fixture.ask({"EVAL", kSourceRenew, "1", kLeaseKey, "python", "30"})->integer == 0);
    CHECK(node.release().answer == Answer::kReleased);
    CHECK(fixture.ask({"SET", kLeaseKey, "python", "NX", "EX", "30"})->text == "OK");
  }
  SECTION("what they took since our release is not released, and its word does not count for them") {
    CHECK(node.acquire().answer == Answer::kGranted);
    CHECK(node.release().answer == Answer::kReleased);
    CHECK(fixture.ask({"SET", kLeaseKey, "cpp", "NX", "EX", "30"})->text == "OK");
    const auto seen = node.observe();
    CHECK(seen.answer == Answer::kHeld);
    CHECK_FALSE(seen.facts.own);
    CHECK(seen.facts.released_by.empty());
  }
  SECTION("a key that the same node id took without a term is not ours") {
    CHECK(fixture.ask({"SET", kLeaseKey, "cpp", "NX", "EX", "5"})->text == "OK");
    CHECK_FALSE(node.observe().facts.own);
    CHECK(node.renew(0).answer == Answer::kHeld);
    CHECK(fixture.ask({"PTTL", kLeaseKey})->integer <= 5000);
  }
}

TEST_CASE("keys that are not as they should be", "[lease_store]") {
  Fixture fixture;
  auto& node = fixture.node;
  const auto all_fail = [&](const std::string& with) {
    const LeaseClaim claim{0, 0, "x", 1};
    for (const auto& reply :
         {node.observe(), node.acquire(claim), node.renew(1), node.recreate(claim), node.release()}) {
      CHECK(reply.answer == Answer::kFailed);
      CHECK(contains(reply.cause, "lease key " + kLeaseKey + ": "));
      CHECK(contains(reply.cause, with));
    }
  };
  SECTION("a lease of another type") {
    CHECK(fixture.ask({"RPUSH", kLeaseKey, "cpp"}).ok());
    all_fail("GET of the lease key: WRONGTYPE");
  }
  SECTION("a term of another type") {
    CHECK(fixture.ask({"SET", kTermKey, "cpp"}).ok());
    all_fail("HMGET of " + kTermKey + ": WRONGTYPE");
  }
  SECTION("an epoch that is none") {
    const auto epoch = GENERATE(as<std::string>(), "", "-1", "1.5", "1e3", "9007199254740992", "99999999999999999999",
                                "x", " 1", "0x10", "1\n");
    CHECK(fixture.ask({"HSET", kTermKey, "epoch", epoch}).ok());
    all_fail("its epoch is not a whole number of at most 9007199254740991");
  }
  SECTION("a lease without a ttl, of another node") {
    CHECK(fixture.ask({"SET", kLeaseKey, "forever"}).ok());
    const auto reply = node.observe();
    CHECK(reply.answer == Answer::kHeld);
    CHECK(reply.facts.remaining == kDurationMax);
  }
  SECTION("a lease without a ttl, of this node: it gets one") {
    const auto epoch = node.acquire().facts.epoch;
    CHECK(fixture.ask({"PERSIST", kLeaseKey})->integer == 1);
    CHECK(node.observe().facts.remaining == kDurationMax);
    CHECK(node.renew(epoch).answer == Answer::kGranted);
    CHECK(fixture.ask({"PTTL", kLeaseKey})->integer > 0);
  }
  SECTION("an empty text") {
    CHECK(fixture.ask({"SET", kLeaseKey, "", "EX", "30"}).ok());
    CHECK(contains(node.observe().cause, "holds an empty text, which names no node"));
    CHECK(node.acquire(LeaseClaim{0, 0, "x", 1}).answer == Answer::kFailed);
  }
  SECTION("a holder that is long and ugly") {
    CHECK(fixture.ask({"SET", kLeaseKey, "\n" + std::string(100'000, 'x'), "PX", "30000"}).ok());
    const auto reply = node.observe();
    CHECK(reply.answer == Answer::kHeld);
    CHECK(reply.facts.holder.substr(0, 5) == "\\x0ax");
    CHECK(reply.facts.holder.size() < 300);
  }
}

TEST_CASE("epochs count to the last one that is exact, and not beyond", "[lease_store]") {
  Fixture fixture;
  auto& node = fixture.node;
  constexpr std::uint64_t kLast = 9'007'199'254'740'991;
  SECTION("as numbers, not as floating point") {
    CHECK(node.acquire(kLast - 1).facts.epoch == kLast - 1);
    CHECK(node.field("epoch") == "9007199254740990");
    CHECK(node.release().answer == Answer::kReleased);
    CHECK(node.acquire().facts.epoch == kLast);
    CHECK(node.renew(kLast).answer == Answer::kGranted);
    CHECK(node.release().answer == Answer::kReleased);
    const auto refused = node.acquire();
    CHECK(refused.answer == Answer::kFailed);
    CHECK(contains(refused.cause, "no epoch is left above 9007199254740991"));
    CHECK(fixture.ask({"EXISTS", kLeaseKey})->integer == 0);
  }
  SECTION("a claim beyond it") {
    CHECK(node.acquire(kLast + 1).answer == Answer::kFailed);
    CHECK(node.recreate(node.claim(UINT64_MAX)).answer == Answer::kFailed);
    CHECK(fixture.ask({"EXISTS", kLeaseKey})->integer == 0);
    CHECK(fixture.ask({"HKEYS", kTermKey})->elements.size() == 1);
  }
}

TEST_CASE("grants are counted, whoever they are given to and in whatever way", "[lease_store]") {
  Fixture fixture;
  auto& node = fixture.node;
  CHECK(node.observe().facts.grants == 0);
  const auto granted = node.acquire();
  CHECK(granted.facts.grants == 1);
  CHECK(node.renew(granted.facts.epoch).facts.grants == 2);
  CHECK(node.renew(granted.facts.epoch - 1).facts.grants == 2);
  CHECK(fixture.ask({"DEL", kLeaseKey})->integer == 1);
  CHECK(node.recreate(node.claim(granted.facts.epoch)).facts.grants == 3);
  CHECK(node.release().facts.grants == 3);
  CHECK(fixture.other.acquire().facts.grants == 4);
  SECTION("a claim that was decided on before the last of them takes nothing") {
    const LeaseClaim early = node.claim(granted.facts.epoch + 5);
    CHECK(fixture.other.renew(fixture.other.observe().facts.epoch).facts.grants == 5);
    CHECK(fixture.ask({"DEL", kLeaseKey})->integer == 1);
    CHECK(node.acquire(early).answer == Answer::kFree);
    CHECK(node.acquire(node.claim(0)).answer == Answer::kGranted);
  }
  SECTION("a count that is none begins anew") {
    const auto broken = GENERATE(as<std::string>(), "x", "", "-1", "1e3", "9999999999999999");
    CHECK(fixture.ask({"HSET", kTermKey, "grants", broken}).ok());
    CHECK(node.observe().facts.grants == 0);
    CHECK(fixture.other.renew(fixture.other.observe().facts.epoch).facts.grants == 1);
  }
}

TEST_CASE("a user of Redis who may not do all of it is told what to allow", "[lease_store]") {
  Loop loop;
  const auto forbidden = GENERATE(as<std::string>(), "-info", "-time", "-hmget", "-hset", "-eval");
  const RedisServer server({"--user", "limited", "on", ">secret", "~*", "&*", "+@all", forbidden});
  RedisTarget target = unix_target(server.socket_path());
  target.username = "limited";
  target.password = "secret";
  LeaseNode node(loop, target, "cpp");
  LeaseNode whole(loop, unix_target(server.socket_path()), "whole");
  const auto reply = node.acquire(whole.claim(0));
  INFO(reply.cause);
  CHECK(reply.answer == Answer::kFailed);
  CHECK(contains(reply.cause, "the ACL of the Redis user must allow the commands EVAL, INFO, TIME"));
  // Nothing is half done: only the birth of the hash is there, which looking at it leaves.
  CHECK(whole.client.ask({"EXISTS", kLeaseKey})->integer == 0);
  CHECK(whole.client.ask({"HKEYS", kTermKey})->elements.size() == 1);
}

TEST_CASE("a check before a destructive act fails in three ways", "[lease_store]") {
  Fixture fixture;
  auto& node = fixture.node;
  const std::uint64_t epoch = node.acquire(10).facts.epoch;
  CHECK(node.verify(true, epoch).ok());
  CHECK(node.verify(false, epoch).error().message() == "not flagged leader");

  CHECK(node.verify(true, epoch - 1).error().message() == "lease lost to cpp");
  CHECK(fixture.ask({"DEL", kLeaseKey})->integer == 1);
  CHECK(node.verify(true, epoch).error().message() == "lease expired");
  CHECK(fixture.other.acquire().answer == Answer::kGranted);
  CHECK(node.verify(true, epoch).error().message() == "lease lost to other");
  CHECK(fixture.other.verify(true, epoch + 1).ok());

  CHECK(fixture.ask({"SET", kTermKey, "wrong"}).ok());
  CHECK(contains(fixture.other.verify(true, epoch + 1).error().message(), "cannot be verified: HMGET"));
  fixture.server.kill();
  CHECK(contains(node.verify(true, epoch).error().message(), "the lease cannot be verified: "));
}
