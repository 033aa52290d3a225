#include "io/redis.h"

#include <fcntl.h>
#include <filesystem>
#include <netdb.h>
#include <sys/socket.h>

#include "support/fake_server.h"
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

// What Redis says about a server that never lets it in.
std::string first_cause(Loop& loop, const RedisTarget& target, Redis::Options options = patient_options()) {
  RedisClient client(loop, target, options);
  const auto state = client.wait_for_state(1);
  CHECK_FALSE(state.reachable);
  return state.cause;
}

RedisTarget with_password(RedisTarget target, std::string username, std::string password) {
  target.username = std::move(username);
  target.password = std::move(password);
  return target;
}

// A port that nobody listens on.
int unused_port() {
  Loop loop;
  return FakeServer(loop, {}).port();
}

}  // namespace

TEST_CASE("every kind of reply arrives as a value", "[redis]") {
  Loop loop;
  const RedisServer server;
  RedisClient client(loop, unix_target(server.socket_path()));
  client.wait_until_reachable();
  REQUIRE(client.states.size() == 1);
  CHECK(client.states[0].reachable);
  CHECK(client.states[0].cause.empty());

  const std::string bytes("a\0b\r\n\xff", 6);
  CHECK(client.ask({"SET", "key", bytes})->text == "OK");
  CHECK(client.ask({"GET", "key"})->text == bytes);
  CHECK(client.ask({"GET", "nothing"})->kind == RedisValue::Kind::kNil);
  CHECK(client.ask({"INCRBY", "counter", "-9000000000"})->integer == -9000000000);

  const auto array = client.ask({"EVAL", "return {1, {'two', false}, redis.error_reply('BAD thing')}", "0"});
  REQUIRE(array.ok());
  REQUIRE(array->elements.size() == 3);
  CHECK(array->elements[0].integer == 1);
  CHECK(array->elements[1].elements.at(0).text == "two");
  CHECK(array->elements[1].elements.at(1).kind == RedisValue::Kind::kNil);
  CHECK(array->elements[2].kind == RedisValue::Kind::kError);
  CHECK(array->elements[2].text == "BAD thing");

  const auto error = client.ask({"LPUSH", "key", "x"});
  REQUIRE_FALSE(error.ok());
  CHECK(contains(error.error().message(), "WRONGTYPE"));
  CHECK(client.redis.reachable());
}

TEST_CASE("an error reply is shown without control characters and cut", "[redis]") {
  Loop loop;
  const RedisServer server;
  RedisClient client(loop, unix_target(server.socket_path()));
  client.wait_until_reachable();
  const auto error = client.ask({"EVAL", "return redis.error_reply('E \\27' .. string.rep('x', 9000))", "0"});
  REQUIRE_FALSE(error.ok());
  CHECK(contains(error.error().message(), "E \\x1b"));
  CHECK(error.error().message().size() < 2000);
}

TEST_CASE("command() never calls back from inside itself", "[redis]") {
  Loop loop;
  const RedisServer server;
  RedisClient client(loop, unix_target(server.socket_path()));
  bool called = false;
  client.redis.command({"PING"}, [&](const Result<RedisValue>& answer) {
    CHECK_FALSE(answer.ok());
    CHECK(contains(answer.error().message(), "not connected: connecting"));
    called = true;
  });
  CHECK_FALSE(called);
  loop.run_until([&] { return called; });
}

TEST_CASE("after a crash of the server it comes back by itself, and says so once", "[redis]") {
  Loop loop;
  RedisServer server;
  RedisClient client(loop, unix_target(server.socket_path()));
  client.wait_until_reachable();

  server.kill();
  const auto lost = client.wait_for_state(2);
  CHECK_FALSE(lost.reachable);
  CHECK(contains(lost.cause, server.socket_path() + "/0: "));
  CHECK(contains(lost.cause, "trying again"));
  CHECK(contains(client.ask({"PING"}).error().message(), "not connected"));

  server.start();
  CHECK(client.wait_for_state(3).reachable);
  CHECK(client.ask({"PING"})->text == "PONG");
  CHECK(client.states.size() == 3);
}

TEST_CASE("a server that stops answering is left at the deadline and found again", "[redis]") {
  Loop loop;
  const RedisServer server;
  RedisClient client(loop, unix_target(server.socket_path()), quick_options());
  client.wait_until_reachable();
  const std::size_t states_before = client.states.size();

  server.pause();
  std::vector<std::string> failures;
  const auto note = [&](const Result<RedisValue>& answer) { failures.push_back(answer.error().message()); };
  client.redis.command({"GET", "long"}, note, 30s);
  client.redis.command({"INCR", "short"}, note, 50ms);
  loop.run_until([&] { return failures.size() == 2; });
  CHECK(contains(failures[0], "no answer to INCR within 50 ms"));
  CHECK(failures[0] == failures[1]);
  CHECK_FALSE(client.wait_for_state(states_before + 1).reachable);

  server.resume();
  client.wait_until_reachable();
  CHECK(client.ask({"PING"})->text == "PONG");
}

TEST_CASE("the deadline covers the login as well", "[redis]") {
  Loop loop;
  FakeServer server(loop, {});
  const std::string cause = first_cause(loop, tcp_target("127.0.0.1", server.port()), quick_options());
  CHECK(contains(cause, "no answer to PING within 500 ms"));
  CHECK(server.received() == "*1\r\n$4\r\nPING\r\n");
}

TEST_CASE("a refused connection is known at once, not at the deadline", "[redis]") {
  Loop loop;
  const int port = unused_port();
  CHECK(contains(first_cause(loop, tcp_target("127.0.0.1", port)),
                 "127.0.0.1:" + std::to_string(port) + "/0: connect: connection refused"));
  CHECK(contains(first_cause(loop, tcp_target("::1", port)), "[::1]:" + std::to_string(port) + "/0: connect: "));
  const TemporaryDirectory directory;
  CHECK(contains(first_cause(loop, unix_target((directory.path() / "no.sock").string())),
                 "connect: no such file or directory"));
}

// A name of the loopback that is no address: "localhost" where it is known (a bare debootstrap has no /etc/hosts), else
// a short form that only a look-up understands.
static std::string loopback_name() {
  addrinfo* found = nullptr;
  const bool known = getaddrinfo("localhost", nullptr, nullptr, &found) == 0;
  if (known) freeaddrinfo(found);
  return known ? "localhost" : "127.1";
}

TEST_CASE("a host name is looked up, and each of its addresses tried", "[redis]") {
  Loop loop;
  // Listens on 127.0.0.1 alone; where localhost is ::1 as well, one of the two attempts has to fail over.
  FakeServer server(loop, {"", "+PONG\r\n", false});
  RedisClient client(loop, tcp_target(loopback_name(), server.port()));
  client.wait_until_reachable();
  CHECK(client.states.size() == 1);
}

TEST_CASE("a host that does not exist is an error of the lookup", "[redis]") {
  Loop loop;
  const std::string cause = first_cause(loop, tcp_target("no-such-host.invalid", 6379), quick_options());
  CHECK((contains(cause, "lookup: ") || contains(cause, "no connection within")));
}

TEST_CASE("login with a password", "[redis]") {
  Loop loop;
  const RedisServer server(
      {"--requirepass", "open sesame", "--user", "worker", "on", ">s3cret", "~*", "+@all", "-ping"});
  const RedisTarget target = unix_target(server.socket_path());

  SECTION("of the default user") {
    RedisClient client(loop, with_password(target, "", "open sesame"));
    CHECK(client.wait_for_state(1).reachable);
  }
  SECTION("of a named user, who is reachable even without the right to PING") {
    RedisClient client(loop, with_password(target, "worker", "s3cret"));
    CHECK(client.wait_for_state(1).reachable);
    CHECK(client.ask({"ACL", "WHOAMI"})->text == "worker");
  }
  SECTION("that is wrong") {
    const std::string cause = first_cause(loop, with_password(target, "", "guessed"));
    CHECK(contains(cause, "login: AUTH: the server refuses the user name or the password (WRONGPASS)"));
    CHECK_FALSE(contains(cause, "guessed"));
  }
  SECTION("that is missing") {
    CHECK(contains(first_cause(loop, target), "the server asks for a password and none is configured (NOAUTH)"));
  }
}

TEST_CASE("a password for a server without one is an error that says so", "[redis]") {
  Loop loop;
  const RedisServer server;
  const auto target = with_password(unix_target(server.socket_path()), "", "superfluous");
  CHECK(contains(first_cause(loop, target), "a password is configured, but the server has none"));
}

TEST_CASE("the database is selected", "[redis]") {
  Loop loop;
  const RedisServer server;
  RedisTarget target = unix_target(server.socket_path());
  SECTION("that exists") {
    target.database = 3;
    RedisClient third(loop, target);
    third.wait_until_reachable();
    CHECK(third.ask({"SET", "only here", "1"}).ok());
    RedisClient zeroth(loop, unix_target(server.socket_path()));
    zeroth.wait_until_reachable();
    CHECK(zeroth.ask({"EXISTS", "only here"})->integer == 0);
    CHECK(third.ask({"EXISTS", "only here"})->integer == 1);
  }
  SECTION("that does not exist") {
    target.database = 4711;
    CHECK(contains(first_cause(loop, target), "login: SELECT: the server has no database of that number"));
  }
}

TEST_CASE("what a server says instead of letting us in becomes a cause", "[redis]") {
  const auto [answer, cause] = GENERATE(table<std::string, std::string>({
      {"-LOADING Redis is loading the dataset in memory\r\n", "the server is still loading its data (LOADING)"},
      {"-MISCONF Redis is configured to save RDB snapshots\r\n", "it cannot save its data (MISCONF)"},
      {"-NOAUTH Authentication required.\r\n", "none is configured (NOAUTH)"},
      {"-ERR max number of clients reached\r\n", "the server has reached its maxclients"},
      {"-ODD \x01thing\r\n", "login: PING: ODD \\x01thing"},
      {"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol error: got \"H\" as reply type byte"},
      {std::string(64, '\0'), "protocol error: "},
      {"$1073741824\r\n" + std::string(2 << 20, 'x'), "protocol error: a reply of more than 1 MiB"},
      {"+" + std::string(2 << 20, 'x'), "protocol error: a reply of more than 1 MiB"},
      {"*1073741824\r\n", "protocol error: an array of 1073741824 elements"},
      {"+PONG\r\n+PONG\r\n", "protocol error: a reply that nobody asked for"},
  }));
  INFO(cause);
  Loop loop;
  FakeServer server(loop, {"", answer, false});
  RedisClient client(loop, tcp_target("127.0.0.1", server.port()));
  loop.run_until([&] { return !client.states.empty() && !client.states.back().reachable; });
  CHECK(contains(client.states.back().cause, cause));

  // It goes on trying, and a server that comes to its senses is taken back.
  server.set_behaviour({"", "+PONG\r\n", false});
  client.wait_until_reachable();
}

TEST_CASE("nesting, push messages and maps are refused, not followed", "[redis]") {
  std::string nested;
  for (int depth = 0; depth < 100'000; ++depth) nested += "*1\r\n";
  const std::string answer = GENERATE_COPY(values<std::string>({
      nested,
      ">2\r\n+invalidate\r\n*0\r\n",
      "%1\r\n+key\r\n+value\r\n",
      ",3.14\r\n",
      "#t\r\n",
      "$-2\r\n",
      ":99999999999999999999999999\r\n",
  }));
  Loop loop;
  FakeServer server(loop, {"", answer, false});
  const std::string cause = first_cause(loop, tcp_target("127.0.0.1", server.port()));
  CHECK(contains(cause, "protocol error"));
}

TEST_CASE("a server that greets with an error and hangs up is quoted", "[redis]") {
  Loop loop;
  FakeServer server(loop, {"-DENIED Redis is running in protected mode\r\n", "", true});
  const std::string cause = first_cause(loop, tcp_target("127.0.0.1", server.port()));
  CHECK((contains(cause, "protected mode") || contains(cause, "connection")));
}

TEST_CASE("no message repeats a password that the server sends back", "[redis]") {
  Loop loop;
  const std::string secret = "correct-horse";
  const std::string answer = GENERATE_COPY(values<std::string>({
      "-ERR unknown command `AUTH`, with args beginning with: `" + secret + "`\r\n",
      "-" + secret + "\r\n",
      secret + "\r\n",
  }));
  FakeServer server(loop, {"", answer, false});
  const auto target = with_password(tcp_target("127.0.0.1", server.port()), "", secret);
  const std::string cause = first_cause(loop, target);
  CHECK(contains(server.received(), secret));
  CHECK_FALSE(contains(cause, secret));
}

TEST_CASE("a server that hangs up at once is tried again and again", "[redis]") {
  Loop loop;
  FakeServer server(loop, {"", "", true});
  RedisClient client(loop, tcp_target("127.0.0.1", server.port()));
  loop.run_until([&] { return server.connection_count() >= 8; });
  REQUIRE(client.states.size() == 1);
  CHECK_FALSE(client.states[0].reachable);
}

TEST_CASE("beyond the limit of commands in flight a command fails at once", "[redis]") {
  Loop loop;
  const RedisServer server;
  Redis::Options options = patient_options();
  options.in_flight_max = 3;
  RedisClient client(loop, unix_target(server.socket_path()), options);
  client.wait_until_reachable();
  std::vector<bool> outcomes;
  for (int count = 0; count < 5; ++count) {
    client.redis.command({"PING"}, [&](const Result<RedisValue>& answer) { outcomes.push_back(answer.ok()); });
  }
  CHECK(outcomes.empty());
  loop.run_until([&] { return outcomes.size() == 5; });
  CHECK(std::count(outcomes.begin(), outcomes.end(), true) == 3);
  CHECK(client.ask({"PING"}).ok());
}

TEST_CASE("a server that does not read makes commands fail instead of filling the memory", "[redis]") {
  Loop loop;
  const RedisServer server;
  RedisClient client(loop, unix_target(server.socket_path()));
  client.wait_until_reachable();
  server.pause();
  const std::string megabyte(1 << 20, 'x');
  std::string failure;
  int sent = 0;
  while (failure.empty() && sent < 100) {
    ++sent;
    client.redis.command({"SET", "key", megabyte},
                         [&](const Result<RedisValue>& answer) { failure = answer.error().message(); });
    uv_run(loop.get(), UV_RUN_NOWAIT);
  }
  CHECK(contains(failure, "16 MiB of commands are unsent"));
  CHECK(sent > 16);
  client.expect_closed();
  bool closed = false;
  client.redis.close([&] { closed = true; });
  loop.run_until([&] { return closed; });
}

TEST_CASE("close() drops what is waiting, wherever it is called", "[redis]") {
  Loop loop;
  const RedisServer server;
  RedisClient client(loop, unix_target(server.socket_path()));
  client.expect_closed();
  bool closed = false;
  int called = 0;
  const auto count = [&](const Result<RedisValue>&) { ++called; };

  SECTION("right after the construction") {
    client.redis.close([&] { closed = true; });
  }
  SECTION("while it connects") {
    uv_run(loop.get(), UV_RUN_NOWAIT);
    client.redis.close([&] { closed = true; });
  }
  SECTION("with commands in flight and refused") {
    client.wait_until_reachable();
    for (int sent = 0; sent < 2000; ++sent) client.redis.command({"PING"}, count);
    client.redis.close([&] { closed = true; });
  }
  SECTION("from a callback") {
    client.wait_until_reachable();
    client.redis.command({"PING"}, [&](const Result<RedisValue>&) { client.redis.close([&] { closed = true; }); });
    for (int sent = 0; sent < 500; ++sent) client.redis.command({"PING"}, count);
  }
  SECTION("from a callback that fails") {
    client.redis.command({"PING"}, [&](const Result<RedisValue>&) { client.redis.close([&] { closed = true; }); });
    client.redis.command({"PING"}, count);
  }
  loop.run_until([&] { return closed; });
  CHECK(called == 0);
  client.redis.close([] { FAIL("a second close() is a no-op"); });
  client.redis.command({"PING"}, count);
  uv_run(loop.get(), UV_RUN_NOWAIT);
  CHECK(called == 0);
}

TEST_CASE("every command in flight fails when the connection breaks, and may send a new one", "[redis]") {
  Loop loop;
  RedisServer server;
  RedisClient client(loop, unix_target(server.socket_path()));
  client.wait_until_reachable();
  server.pause();
  int failed = 0;
  for (int sent = 0; sent < 10; ++sent) {
    client.redis.command({"PING"}, [&](const Result<RedisValue>& answer) {
      CHECK_FALSE(answer.ok());
      client.redis.command({"PING"}, [&](const Result<RedisValue>& second) {
        CHECK_FALSE(second.ok());
        ++failed;
      });
    });
  }
  server.kill();
  loop.run_until([&] { return failed == 10; });
}

TEST_CASE("an idle connection runs no timer", "[redis]") {
  Loop loop;
  const RedisServer server;
  RedisClient client(loop, unix_target(server.socket_path()));
  client.wait_until_reachable();
  CHECK(client.ask({"PING"}).ok());
  uv_run(loop.get(), UV_RUN_NOWAIT);
  CHECK(loop.active_timers() == 0);
}

TEST_CASE("no socket of ours is inherited by a child", "[redis]") {
  Loop loop;
  const RedisServer server;
  FakeServer fake(loop, {"", "+PONG\r\n", false});
  RedisClient local(loop, unix_target(server.socket_path()));
  RedisClient remote(loop, tcp_target("127.0.0.1", fake.port()));
  local.wait_until_reachable();
  remote.wait_until_reachable();
  int sockets = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int file = std::stoi(entry.path().filename().string());
    int domain = 0;
    socklen_t size = sizeof domain;
    if (getsockopt(file, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) continue;
    sockaddr_storage peer{};
    socklen_t peer_size = sizeof peer;
    if (getpeername(file, reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0) continue;
    const int flags = fcntl(file, F_GETFD);
    if (domain == AF_INET || domain == AF_UNIX) sockets += (flags & FD_CLOEXEC) != 0 ? 1 : 0;
  }
  CHECK(sockets >= 3);
}
