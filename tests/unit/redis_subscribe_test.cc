// A connection that listens to a channel.
#include "io/redis.h"
#include "support/fake_server.h"
#include "support/redis_client.h"
#include "support/redis_server.h"
#include "unit/catch.h"

using namespace std::chrono_literals;
using namespace stargazer;
using namespace stargazer::testing;

namespace {

constexpr const char* kSubscribed = "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Listens to "news" and keeps what it hears.
struct Listener {
  Listener(Loop& loop, const RedisTarget& target, Redis::Options options = patient_options())
      : client(loop, target, with_channel(std::move(options))) {}

  Redis::Options with_channel(Redis::Options options) {
    options.channel = "news";
    options.on_message = [this](const std::string& message) { heard.push_back(message); };
    return options;
  }

  std::vector<std::string> heard;
  RedisClient client;
};

}  // namespace

TEST_CASE("a listener hears what is published on its channel, also after a reconnection", "[subscribe]") {
  Loop loop;
  RedisServer server;
  Listener listener(loop, unix_target(server.socket_path()));
  RedisClient speaker(loop, unix_target(server.socket_path()));
  listener.client.wait_until_reachable();
  speaker.wait_until_reachable();
  const std::string bytes("a\0\xff\r\n", 5);
  CHECK(speaker.ask({"PUBLISH", "other", "not this"})->integer == 0);
  CHECK(speaker.ask({"PUBLISH", "news", bytes})->integer == 1);
  CHECK(speaker.ask({"PUBLISH", "news", ""})->integer == 1);
  loop.run_until([&] { return listener.heard.size() == 2; });
  CHECK(listener.heard == std::vector<std::string>{bytes, ""});

  server.kill();
  loop.run_until([&] { return !listener.client.redis.reachable() && !speaker.redis.reachable(); });
  server.start();
  listener.client.wait_until_reachable();
  speaker.wait_until_reachable();
  CHECK(speaker.ask({"PUBLISH", "news", "again"})->integer == 1);
  loop.run_until([&] { return listener.heard.size() == 3; });
  CHECK(listener.heard[2] == "again");
}

TEST_CASE("a listener may close itself from a message", "[subscribe]") {
  Loop loop;
  const RedisServer server;
  RedisClient speaker(loop, unix_target(server.socket_path()));
  speaker.wait_until_reachable();
  bool closed = false;
  int heard = 0;
  std::unique_ptr<RedisClient> client;
  Redis::Options options = patient_options();
  options.channel = "news";
  options.on_message = [&](const std::string&) {
    ++heard;
    client->redis.close([&] { closed = true; });
  };
  client = std::make_unique<RedisClient>(loop, unix_target(server.socket_path()), options);
  client->expect_closed();
  client->wait_until_reachable();
  CHECK(speaker.ask({"EVAL", "for i = 1, 3 do redis.call('PUBLISH', 'news', i) end", "0"}).ok());
  loop.run_until([&] { return closed; });
  CHECK(heard == 1);
}

TEST_CASE("a listener that may not subscribe says so", "[subscribe]") {
  Loop loop;
  const RedisServer server({"--user", "limited", "on", ">x", "~*", "resetchannels", "+@all"});
  RedisTarget target = unix_target(server.socket_path());
  target.username = "limited";
  target.password = "x";
  Listener listener(loop, target, quick_options());
  const auto state = listener.client.wait_for_state(1);
  CHECK_FALSE(state.reachable);
  CHECK(contains(state.cause, "login: SUBSCRIBE: NOPERM"));
}

TEST_CASE("a peer that is gone without a word is noticed", "[subscribe]") {
  Loop loop;
  const RedisServer server;
  Redis::Options options = quick_options();
  options.ping_every = 20ms;
  Listener listener(loop, unix_target(server.socket_path()), options);
  RedisClient speaker(loop, unix_target(server.socket_path()));
  listener.client.wait_until_reachable();
  speaker.wait_until_reachable();

  // Several pings are answered, as those of a subscriber are, and messages pass between them.
  const auto pings = [&] {
    const std::string stats = speaker.ask({"INFO", "commandstats"})->text;
    const std::string name = "cmdstat_ping:calls=";
    return std::stoi(stats.substr(stats.find(name) + name.size()));
  };
  loop.run_until([&] { return pings() >= 6; });
  CHECK(speaker.ask({"PUBLISH", "news", "x"})->integer == 1);
  loop.run_until([&] { return listener.heard.size() == 1; });
  CHECK(listener.client.states.size() == 1);

  server.pause();
  const auto lost = listener.client.wait_for_state(2);
  CHECK_FALSE(lost.reachable);
  CHECK(contains(lost.cause, "no answer to PING within 500 ms"));
  server.resume();
  listener.client.wait_until_reachable();
}

TEST_CASE("what is no message of the channel ends the connection, which comes back", "[subscribe]") {
  Loop loop;
  const std::string push = GENERATE(as<std::string>(),                                                   //
                                    "*3\r\n$7\r\nmessage\r\n$5\r\nother\r\n$1\r\nx\r\n",                 //
                                    "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n:1\r\n",                       //
                                    "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n*0\r\n",                       //
                                    "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$-1\r\n",                      //
                                    "*1\r\n$7\r\nmessage\r\n", "*2\r\n$7\r\nmessage\r\n$4\r\nnews\r\n",  //
                                    "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$4\r\nnews\r\n$1\r\nx\r\n",      //
                                    "*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:0\r\n",                  //
                                    "*2\r\n$4\r\npong\r\n$0\r\n\r\n", "+PONG\r\n", "*0\r\n", ":1\r\n", "$-1\r\n",
                                    "-ERR go away\r\n", "*1000000\r\n", "\x01",
                                    "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2000000\r\n" + std::string(1'500'000, 'x'));
  FakeServer server(loop, {"", std::string("+PONG\r\n") + kSubscribed + push, false});
  Listener listener(loop, tcp_target("127.0.0.1", server.port()), quick_options());
  loop.run_until([&] { return !listener.client.states.empty() && !listener.client.redis.reachable(); });
  CHECK(listener.heard.empty());
  CHECK(contains(listener.client.states.back().cause, "127.0.0.1:"));
  server.set_behaviour(
      {"", std::string("+PONG\r\n") + kSubscribed + "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\nx\r\n", false});
  loop.run_until([&] { return !listener.heard.empty(); });
  CHECK(listener.client.redis.reachable());
}

TEST_CASE("a message before the subscription is confirmed, or a wrong confirmation, is an error", "[subscribe]") {
  Loop loop;
  const auto answer = GENERATE(as<std::string>(), "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\nx\r\n",
                               "*3\r\n$9\r\nsubscribe\r\n$5\r\nother\r\n:1\r\n", "+OK\r\n", "*0\r\n");
  FakeServer server(loop, {"", "+PONG\r\n" + answer, false});
  Listener listener(loop, tcp_target("127.0.0.1", server.port()), quick_options());
  const auto state = listener.client.wait_for_state(1);
  CHECK_FALSE(state.reachable);
  CHECK(contains(state.cause, "protocol error"));
  CHECK(listener.heard.empty());
}
