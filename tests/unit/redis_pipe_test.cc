// Where the feed's connection goes when sentinels say where the master is. All else of it is tested by the feed.
#include "feed/redis_pipe.h"

#include <poll.h>
#include <vector>

#include "support/fake_server.h"
#include "support/free_port.h"
#include "support/redis_server.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

RedisTarget by_sentinels() {
  RedisTarget target;
  target.sentinels = {{"sentinel.invalid", 26379}};
  target.master_name = "mymaster";
  target.master = std::make_shared<MasterAddress>();
  return target;
}

}  // namespace

TEST_CASE("the feed goes where the master was found, each time anew", "[redis_pipe]") {
  const int master_port = free_port();
  const int replica_port = free_port();
  const RedisServer master({"--port", std::to_string(master_port)});
  const RedisServer replica({"--port", std::to_string(replica_port), "--replicaof", "127.0.0.1", "1"});
  const StopEvent stop;
  const RedisTarget target = by_sentinels();
  RedisPipe pipe(target, stop);

  CHECK(pipe.connect().error().message() == "the sentinels have not named a master yet");
  target.master->set({"127.0.0.1", replica_port});
  CHECK(pipe.connect().error().message() == "the server is not the master");
  CHECK_FALSE(pipe.connected());
  target.master->set({"127.0.0.1", master_port});
  REQUIRE(pipe.connect().ok());
  std::string command;
  append_redis_command(command, {"PUBLISH", "channel", "message"});
  REQUIRE(*pipe.send(command) == command.size());
  pollfd readable{pipe.fd(), POLLIN, 0};
  REQUIRE(poll(&readable, 1, 30'000) == 1);
  std::vector<RedisPipe::Reply::Kind> replies;
  const auto note = [&replies](const RedisPipe::Reply& reply) {
    replies.push_back(reply.kind);
    return Status();
  };
  REQUIRE(pipe.receive(note).ok());
  CHECK(replies == std::vector{RedisPipe::Reply::Kind::kInteger});
}

TEST_CASE("a user of the feed who may not ask for the ROLE is let in", "[redis_pipe]") {
  const int port = free_port();
  const RedisServer server({"--port", std::to_string(port), "--user", "feed", "on", ">x", "&*", "+publish"});
  const StopEvent stop;
  RedisTarget target = by_sentinels();
  target.username = "feed";
  target.password = "x";
  target.master->set({"127.0.0.1", port});
  RedisPipe pipe(target, stop);
  CHECK(pipe.connect().ok());
}

TEST_CASE("a role that is none is an error", "[redis_pipe]") {
  // Answers "PING" and "ROLE" in one go; what comes before it was asked for is an error as well.
  const auto role = GENERATE(as<std::string>(), "+master\r\n", "*0\r\n", "*1\r\n:1\r\n", "*1\r\n*0\r\n", "$-1\r\n");
  const StopEvent stop;
  const RedisTarget target = by_sentinels();
  Loop loop;
  FakeServer server(loop, {"+PONG\r\n" + role, "", false});
  target.master->set({"127.0.0.1", server.port()});
  Status status;
  uv_thread_t thread{};
  struct Attempt {
    RedisPipe pipe;
    Status* status;
    uv_async_t done{};
    bool ended = false;
  } attempt{RedisPipe(target, stop), &status, {}, false};
  attempt.done.data = &attempt;
  uv_async_init(loop.get(), &attempt.done, [](uv_async_t* done) { static_cast<Attempt*>(done->data)->ended = true; });
  uv_thread_create(
      &thread,
      [](void* data) {
        auto* self = static_cast<Attempt*>(data);
        *self->status = self->pipe.connect();
        uv_async_send(&self->done);
      },
      &attempt);
  loop.run_until([&] { return attempt.ended; });
  uv_thread_join(&thread);
  uv_close(reinterpret_cast<uv_handle_t*>(&attempt.done), nullptr);
  uv_run(loop.get(), UV_RUN_NOWAIT);
  REQUIRE_FALSE(status.ok());
  CHECK((status.error().message() == "unexpected type of reply" ||
         status.error().message() == "a reply that nobody has asked for" ||
         status.error().message() == "the server is not the master"));
}
