// What becomes of answers that no script of ours gives, of requests that get none, and of replicas that do not confirm.
#include "io/redis_lease_store.h"
#include "support/fake_server.h"
#include "support/free_port.h"
#include "support/redis_server.h"
#include "unit/lease_node.h"

using namespace std::chrono_literals;
using namespace stargazer;
using namespace stargazer::testing;
using Answer = LeaseReply::Answer;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

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

// done, holder, own, epoch, remaining, released by, seconds, microseconds, server, grants.
std::vector<RedisValue> good() {
  return {integer(1),   text("n"),          integer(1), text("7"),  integer(30'000),
          RedisValue(), text("1700000000"), text("12"), text("a1"), text("70")};
}

LeaseReply reply_to(std::vector<RedisValue> answer, Answer done = Answer::kGranted) {
  return lease_reply(5, array(std::move(answer)), done);
}

}  // namespace

TEST_CASE("an answer of a script is read", "[lease_reply]") {
  const auto reply = reply_to(good());
  CHECK(reply.id == 5);
  CHECK(reply.answer == Answer::kGranted);
  CHECK(reply.facts.holder == "n");
  CHECK(reply.facts.own);
  CHECK(reply.facts.epoch == 7);
  CHECK(reply.facts.remaining == 30s);
  CHECK(reply.facts.store_time == 1'700'000'000s + 12us);
  CHECK(reply.facts.server == "a1");
  CHECK(reply.facts.grants == 70);
}

TEST_CASE("an answer that no script of ours gives is a failure", "[lease_reply]") {
  const auto answer = GENERATE(as<RedisValue>(), RedisValue(), text("OK"), integer(1), array({}),
                               array({integer(1), text("n"), integer(30)}));
  const auto whole = lease_reply(5, answer, Answer::kGranted);
  CHECK(whole.answer == Answer::kFailed);
  CHECK(whole.cause == "the server gave an answer that the script cannot give");
}

TEST_CASE("so is one of which a part is wrong", "[lease_reply]") {
  const auto [place, value] = GENERATE(table<std::size_t, RedisValue>({
      {0, integer(2)},
      {0, integer(-1)},
      {0, text("1")},
      {0, RedisValue()},
      {1, integer(1)},
      {1, RedisValue()},
      {1, array({})},
      {2, integer(2)},
      {2, text("1")},
      {2, integer(0)},
      {3, integer(7)},
      {3, text("")},
      {3, text("-7")},
      {3, text("7.0")},
      {3, text("7 ")},
      {3, text("9007199254740992")},
      {3, RedisValue()},
      {4, text("30000")},
      {4, RedisValue()},
      {5, integer(0)},
      {6, text("7258118401")},
      {6, text("-1")},
      {6, integer(1)},
      {7, text("1000000")},
      {7, text("x")},
      {8, text("")},
      {8, RedisValue()},
      {8, text("a\nb")},
      {8, text(std::string(65, 'a'))},
  }));
  auto parts = good();
  parts[place] = value;
  INFO(place);
  const auto reply = reply_to(parts);
  CHECK(reply.id == 5);
  CHECK(reply.answer == Answer::kFailed);
  CHECK(reply.cause == "the server gave an answer that the script cannot give");

  parts = good();
  parts.push_back(integer(1));
  CHECK(reply_to(parts).answer == Answer::kFailed);
}

TEST_CASE("what was done must fit what is then the case", "[lease_reply]") {
  CHECK(reply_to(good(), Answer::kReleased).answer == Answer::kFailed);
  CHECK(reply_to(good(), Answer::kFailed).answer == Answer::kFailed);
  auto released = good();
  released[1] = RedisValue();
  released[2] = integer(0);
  released[5] = text("n");
  CHECK(reply_to(released, Answer::kReleased).answer == Answer::kReleased);
  CHECK(reply_to(released, Answer::kGranted).answer == Answer::kFailed);
  released[2] = integer(1);
  CHECK(reply_to(released, Answer::kReleased).answer == Answer::kFailed);
}

TEST_CASE("a remaining time out of all bounds is cut", "[lease_reply]") {
  const auto remaining = [](std::int64_t milliseconds) {
    auto parts = good();
    parts[4] = integer(milliseconds);
    return reply_to(parts).facts.remaining;
  };
  CHECK(remaining(INT64_MAX) == kDurationMax);
  CHECK(remaining(INT64_MIN) == 0s);
  CHECK(remaining(-1) == kDurationMax);
  CHECK(remaining(-2) == 0s);
  CHECK(remaining(1) == 1ms);
}

TEST_CASE("a hostile server's answers are failures, and the next one counts", "[lease_reply]") {
  Loop loop;
  const auto answer = GENERATE(as<std::string>(), "+OK\r\n", "*0\r\n", ":1\r\n", "$-1\r\n", "-ERR \x01no\r\n",
                               "*9\r\n:1\r\n$1\r\nn\r\n:1\r\n$1\r\n7\r\n:1\r\n$-1\r\n$1\r\n1\r\n$1\r\n1\r\n$0\r\n\r\n");
  FakeServer server(loop, {"", "+PONG\r\n", false});
  LeaseNode node(loop, tcp_target("127.0.0.1", server.port()), "cpp");
  server.set_behaviour({"", answer, false});
  const auto reply = node.acquire(LeaseClaim{0, 0, "x", 1});
  CHECK(reply.answer == Answer::kFailed);
  CHECK_FALSE(reply.cause.empty());
}

TEST_CASE("a request without an answer fails in time, with or without effect", "[lease_reply]") {
  Loop loop;
  RedisServer server;
  LeaseNode node(loop, unix_target(server.socket_path()), {kLeaseKey, "cpp", "start", 30s, 200ms, 0});
  const LeaseClaim claim = node.claim(3);
  server.pause();
  const auto lost = node.acquire(claim);
  CHECK(lost.answer == Answer::kFailed);
  CHECK(contains(lost.cause, "no answer to EVAL within 200 ms"));
  // The bytes are in the server's socket: it grants them after all, and a look finds the own grant.
  server.resume();
  node.client.wait_until_reachable();
  loop.run_until([&] { return node.observe().facts.own; });
  CHECK(node.renew(3).answer == Answer::kGranted);
  CHECK(node.acquire(claim).answer == Answer::kHeld);
}

TEST_CASE("a store that cannot be asked answers that it failed", "[lease_reply]") {
  Loop loop;
  RedisServer server;
  LeaseNode node(loop, unix_target(server.socket_path()), "cpp");
  server.kill();
  const auto reply = node.observe();
  CHECK(reply.answer == Answer::kFailed);
  CHECK(contains(reply.cause, "lease key " + kLeaseKey + ": "));
  server.start();
  node.client.wait_until_reachable();
  CHECK(node.renew(1).answer == Answer::kFree);
}

TEST_CASE("a grant counts once the replicas have it", "[lease_reply]") {
  Loop loop;
  const std::string port = std::to_string(free_port());
  const RedisServer primary({"--port", port, "--repl-diskless-sync-delay", "0", "--repl-timeout", "60"});
  const RedisServer replica({"--replicaof", "127.0.0.1", port});
  LeaseNode node(loop, unix_target(primary.socket_path()), "cpp", 30s, 1, 4s);
  LeaseNode careless(loop, unix_target(primary.socket_path()), "careless");
  loop.run_until([&] { return node.client.ask({"WAIT", "1", "10"})->integer == 1; });

  const std::uint64_t epoch = node.acquire().facts.epoch;
  CHECK(node.replies.back().answer == Answer::kGranted);
  CHECK(node.renew(epoch).answer == Answer::kGranted);

  replica.pause();
  const auto unconfirmed = node.renew(epoch);
  CHECK(unconfirmed.answer == Answer::kFailed);
  CHECK(contains(unconfirmed.cause, "written, but only 0 of 1 replicas confirmed it"));
  CHECK(careless.observe().facts.holder == "cpp");
  // What grants nothing waits for nobody.
  CHECK(node.observe().answer == Answer::kHeld);
  CHECK(careless.renew(epoch).answer == Answer::kHeld);
  replica.resume();
  loop.run_until([&] { return node.renew(epoch).answer == Answer::kGranted; });
  CHECK(node.release().answer == Answer::kReleased);
}

TEST_CASE("an answer that WAIT cannot give is a failure", "[lease_reply]") {
  Loop loop;
  const std::string granted =
      "*10\r\n:1\r\n$3\r\ncpp\r\n:1\r\n$1\r\n7\r\n:1\r\n$-1\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n1\r\n";
  FakeServer server(loop, {"", "+PONG\r\n", false});
  LeaseNode node(loop, tcp_target("127.0.0.1", server.port()), "cpp", 30s, 1, 2s);
  // Sent after each read, whatever was read: what answers WAIT is the grant once more.
  server.set_behaviour({"", granted, false});
  const auto reply = node.renew(7);
  CHECK(reply.answer == Answer::kFailed);
  CHECK(contains(reply.cause, "an answer that WAIT cannot give"));
  CHECK(contains(server.received(), "WAIT\r\n$1\r\n1\r\n"));
}
