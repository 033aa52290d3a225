// How a connection finds its master by sentinels: servers that lie, one that is real, and a real failover.
#include <fstream>

#include "io/redis.h"
#include "io/sentinel.h"
#include "support/fake_server.h"
#include "support/free_port.h"
#include "support/redis_client.h"
#include "support/redis_server.h"
#include "support/temporary_directory.h"
#include "unit/catch.h"

using namespace std::chrono_literals;
using namespace stargazer;
using namespace stargazer::testing;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

std::string names(const std::string& host, int port) {
  return "*2\r\n" + bulk(host) + bulk(std::to_string(port));
}

RedisTarget by_sentinels(const std::vector<int>& ports) {
  RedisTarget target;
  target.master_name = "mymaster";
  target.master = std::make_shared<MasterAddress>();
  for (const int port : ports) target.sentinels.push_back({"127.0.0.1", port});
  return target;
}

// A real server that can be reached by TCP.
struct TcpRedis {
  int port = free_port();
  RedisServer server;

  explicit TcpRedis(std::vector<std::string> more = {}) : server(with_port(port, std::move(more))) {}

  static std::vector<std::string> with_port(int port, std::vector<std::string> more) {
    more.insert(more.begin(), {"--port", std::to_string(port), "--repl-diskless-sync-delay", "0"});
    return more;
  }
};

// A real sentinel that watches one master; both have the same password.
class RealSentinel {
 public:
  const int port = free_port();

  RealSentinel(int master_port, const std::string& password) {
    const auto path = directory_.path() / "sentinel.conf";
    std::ofstream(path) << "port " << port << "\nbind 127.0.0.1\nrequirepass " << password
                        << "\nsentinel monitor mymaster 127.0.0.1 " << master_port << " 1\nsentinel auth-pass mymaster "
                        << password << "\n";
    process_ = Process({"redis-server", path.string(), "--sentinel"}, directory_.path() / "log");
  }

 private:
  TemporaryDirectory directory_;
  Process process_;
};

}  // namespace

TEST_CASE("the master is where a sentinel says that it is", "[sentinel]") {
  Loop loop;
  const TcpRedis master;
  FakeServer sentinel(loop, {"", names("127.0.0.1", master.port), false});
  const RedisTarget target = by_sentinels({sentinel.port()});
  RedisClient client(loop, target);
  client.wait_until_reachable();
  CHECK(client.states.size() == 1);
  CHECK(client.ask({"SET", "key", "value"})->text == "OK");
  CHECK(sentinel.received() == "*3\r\n$8\r\nSENTINEL\r\n$23\r\nget-master-addr-by-name\r\n$8\r\nmymaster\r\n");
  CHECK(target.master->get() == HostPort{"127.0.0.1", master.port});
}

TEST_CASE("sentinels that are gone, mute or ignorant are passed by, without a pause", "[sentinel]") {
  Loop loop;
  const TcpRedis master;
  FakeServer mute(loop, {"", "", false});
  FakeServer ignorant(loop, {"", "*-1\r\n", false});
  FakeServer hangs_up(loop, {"", "", true});
  FakeServer sentinel(loop, {"", names("127.0.0.1", master.port), false});
  Redis::Options options = quick_options();
  options.command_timeout = 1s;
  options.backoff_min = options.backoff_max = 1h;
  RedisClient client(loop, by_sentinels({free_port(), mute.port(), ignorant.port(), hangs_up.port(), sentinel.port()}),
                     options);
  client.wait_until_reachable();
  CHECK(client.states.size() == 1);
  CHECK(mute.connection_count() == 1);
}

TEST_CASE("when none of them helps, the cause names each", "[sentinel]") {
  Loop loop;
  FakeServer ignorant(loop, {"", "*-1\r\n", false});
  const int gone = free_port();
  RedisClient client(loop, by_sentinels({gone, ignorant.port()}), quick_options());
  const auto state = client.wait_for_state(1);
  CHECK_FALSE(state.reachable);
  CHECK(contains(state.cause, "mymaster/0: sentinel 127.0.0.1:" + std::to_string(gone) +
                                  ": connect: connection refused; sentinel 127.0.0.1:" +
                                  std::to_string(ignorant.port()) + ": it knows no master named \"mymaster\"; trying"));
  // It goes on asking, and says nothing new.
  loop.run_until([&] { return ignorant.connection_count() >= 4; });
  CHECK(client.states.size() == 1);
}

TEST_CASE("an answer that names no address is an error", "[sentinel]") {
  Loop loop;
  const auto answer =
      GENERATE(as<std::string>(), "+OK\r\n", ":6379\r\n", "$-1\r\n", "*0\r\n", "*2\r\n$-1\r\n$-1\r\n",
               "*2\r\n$4\r\nhost\r\n:1\r\n", "*2\r\n$4\r\nhost\r\n$1\r\n0\r\n", "*2\r\n$4\r\nhost\r\n$5\r\n65536\r\n",
               "*2\r\n$4\r\nhost\r\n$2\r\n+1\r\n", "*2\r\n$3\r\na b\r\n$2\r\n10\r\n", "*2\r\n$0\r\n\r\n$2\r\n10\r\n",
               "*3\r\n$1\r\na\r\n$2\r\n10\r\n$1\r\nx\r\n", "-ERR \x01 what\r\n", "\x01\x02", "+OK\r\n+OK\r\n");
  FakeServer sentinel(loop, {"", answer, false});
  RedisClient client(loop, by_sentinels({sentinel.port()}), quick_options());
  const auto state = client.wait_for_state(1);
  CHECK_FALSE(state.reachable);
  CHECK(contains(state.cause, "sentinel 127.0.0.1:" + std::to_string(sentinel.port()) + ": "));
  CHECK_FALSE(contains(state.cause, "\x01"));
}

TEST_CASE("credentials go to the master, and to a sentinel only when it asks", "[sentinel]") {
  Loop loop;
  const TcpRedis master({"--requirepass", "sesame"});
  SECTION("one that does not") {
    FakeServer sentinel(loop, {"", names("127.0.0.1", master.port), false});
    RedisTarget target = by_sentinels({sentinel.port()});
    target.password = "sesame";
    RedisClient client(loop, target);
    client.wait_until_reachable();
    CHECK_FALSE(contains(sentinel.received(), "sesame"));
  }
  SECTION("one that does") {
    const RealSentinel sentinel(master.port, "sesame");
    RedisTarget target = by_sentinels({sentinel.port});
    target.password = "sesame";
    RedisClient client(loop, target, quick_options());
    client.wait_until_reachable();
    CHECK(client.ask({"SET", "a", "b"})->text == "OK");
    target.password = "guessed";
    RedisClient wrong(loop, target);
    const auto refused = wrong.wait_for_state(1);
    CHECK(contains(refused.cause, "login: AUTH: the server refuses the user name or the password (WRONGPASS)"));
    CHECK_FALSE(contains(refused.cause, "guessed"));
  }
  SECTION("one that asks for ever") {
    FakeServer sentinel(loop, {"", "-NOAUTH Authentication required.\r\n", false});
    RedisTarget target = by_sentinels({sentinel.port()});
    target.password = "sesame";
    RedisClient client(loop, target, quick_options());
    CHECK_FALSE(client.wait_for_state(1).reachable);
  }
}

TEST_CASE("a server that is not the master is left, and the sentinels are asked again", "[sentinel]") {
  Loop loop;
  const TcpRedis master;
  const TcpRedis replica({"--replicaof", "127.0.0.1", std::to_string(master.port)});
  FakeServer sentinel(loop, {"", names("127.0.0.1", replica.port), false});
  RedisClient client(loop, by_sentinels({sentinel.port()}), quick_options());
  const auto state = client.wait_for_state(1);
  CHECK_FALSE(state.reachable);
  CHECK(contains(state.cause, "127.0.0.1:" + std::to_string(replica.port) +
                                  ": login: ROLE: the server is not the master, but says: slave"));
  sentinel.set_behaviour({"", names("127.0.0.1", master.port), false});
  client.wait_until_reachable();

  SECTION("also when it ceases to be the master later: READONLY") {
    CHECK(client.ask({"REPLICAOF", "127.0.0.1", std::to_string(replica.port)}).ok());
    sentinel.set_behaviour({"", names("127.0.0.1", replica.port), false});
    RedisClient other(loop, tcp_target("127.0.0.1", replica.port));
    other.wait_until_reachable();
    CHECK(other.ask({"REPLICAOF", "NO", "ONE"}).ok());
    // The old master has dropped nobody; only the refusal tells.
    const bool by_script = GENERATE(false, true);
    const std::size_t states = client.states.size();
    const auto refused =
        by_script ? client.ask({"EVAL", "return redis.call('SET', 'a', 'b')", "0"}) : client.ask({"SET", "a", "b"});
    REQUIRE_FALSE(refused.ok());
    CHECK(contains(refused.error().message(), "READONLY"));
    client.wait_for_state(states + 1);
    client.wait_until_reachable();
    CHECK(client.ask({"SET", "a", "b"})->text == "OK");
  }
}

TEST_CASE("without sentinels a READONLY is an error like any other", "[sentinel]") {
  Loop loop;
  const TcpRedis master;
  const TcpRedis replica({"--replicaof", "127.0.0.1", std::to_string(master.port)});
  RedisClient client(loop, tcp_target("127.0.0.1", replica.port));
  client.wait_until_reachable();
  CHECK(contains(client.ask({"SET", "a", "b"}).error().message(), "READONLY"));
  uv_run(loop.get(), UV_RUN_NOWAIT);
  CHECK(client.redis.reachable());
}

TEST_CASE("a user who may not ask for the ROLE is let in", "[sentinel]") {
  Loop loop;
  const TcpRedis master({"--user", "limited", "on", ">x", "~*", "+@all", "-role"});
  FakeServer sentinel(loop, {"", names("127.0.0.1", master.port), false});
  RedisTarget target = by_sentinels({sentinel.port()});
  target.username = "limited";
  target.password = "x";
  RedisClient client(loop, target);
  CHECK(client.wait_for_state(1).reachable);
}

TEST_CASE("an answer that ROLE cannot give is an error", "[sentinel]") {
  Loop loop;
  const auto answer = GENERATE(as<std::string>(), "+master\r\n", "*0\r\n", "*1\r\n:1\r\n", "*1\r\n$4\r\nlord\r\n");
  FakeServer master(loop, {"", "+PONG\r\n" + answer, false});
  FakeServer sentinel(loop, {"", names("127.0.0.1", master.port()), false});
  RedisClient client(loop, by_sentinels({sentinel.port()}), quick_options());
  const auto state = client.wait_for_state(1);
  CHECK_FALSE(state.reachable);
  CHECK(contains(state.cause, "login: ROLE: "));
}

TEST_CASE("closing works while a sentinel is asked, and between it and the master", "[sentinel]") {
  Loop loop;
  FakeServer mute(loop, {"", "", false});
  FakeServer sentinel(loop, {"", names("127.0.0.1", mute.port()), false});
  RedisClient asking(loop, by_sentinels({mute.port()}));
  RedisClient connecting(loop, by_sentinels({sentinel.port()}));
  loop.run_until([&] { return mute.connection_count() == 2; });
  RedisClient starting(loop, by_sentinels({sentinel.port()}));
}

TEST_CASE("the addresses of sentinels' answers are read", "[sentinel]") {
  RedisValue answer;
  answer.kind = RedisValue::Kind::kArray;
  answer.elements.resize(2);
  for (RedisValue& part : answer.elements) part.kind = RedisValue::Kind::kString;
  answer.elements[0].text = "::1";
  answer.elements[1].text = "6379";
  const auto address = master_answer("m", answer);
  REQUIRE(address.ok());
  CHECK(address->shown() == "[::1]:6379");
  CHECK(is_refusal_of_no_master("READONLY You can't write against a read only replica."));
  CHECK(is_refusal_of_no_master("ERR Error running script (call to f_1): @user_script:1: -READONLY You can't"));
  CHECK(is_refusal_of_no_master("MASTERDOWN Link with MASTER is down"));
  CHECK_FALSE(is_refusal_of_no_master("ERR LOADINGs of things"));
}
