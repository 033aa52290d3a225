#include <array>
#include <limits>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <vector>

#include <nlohmann/json.hpp>

#include "unit/catch.h"
#include "worker/host.h"

using namespace stargazer;
using namespace stargazer::worker;

namespace {

RunCall decay_run() {
  RunCall call;
  call.protocol = 1;
  call.task = "decay";
  call.run_id = "r-1";
  call.attempt = 2;
  call.timeout_s = 90;
  call.deadline = 1795430601.5;
  call.epoch = 7;
  call.params = R"({"task":"decay"})";
  return call;
}

// A host, and the daemon's end of its channel, which nobody answers on.
class Bench {
 public:
  Bench() {
    REQUIRE(stop.open().ok());
    std::array<int, 2> ends{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    daemon_end.reset(ends[0]);
    channel.emplace(UniqueFd(ends[1]), stop);
    host.emplace(decay_run(), *channel, stop);
  }

  const stargazer_host* table() const { return &host->table(); }
  // The lines that were sent since the last call.
  std::vector<nlohmann::json> said() const {
    std::array<char, 65536> buffer{};
    const ssize_t count = recv(daemon_end.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    std::string_view text(buffer.data(), count < 0 ? 0 : static_cast<std::size_t>(count));
    std::vector<nlohmann::json> lines;
    while (!text.empty()) {
      lines.push_back(nlohmann::json::parse(text.substr(0, text.find('\n'))));
      text.remove_prefix(text.find('\n') + 1);
    }
    return lines;
  }
  nlohmann::json said_once() const {
    const std::vector<nlohmann::json> lines = said();
    REQUIRE(lines.size() == 1);
    return lines[0];
  }

  Stop stop;
  UniqueFd daemon_end;
  std::optional<Channel> channel;
  std::optional<Host> host;
};

stargazer_event event_of(const char* type, const char* payload) {
  stargazer_event event{};
  event.struct_size = sizeof event;
  event.event_type = type;
  event.payload = payload;
  return event;
}

}  // namespace

TEST_CASE("a job is told of its run", "[plugin_host]") {
  const Bench bench;
  const stargazer_host& table = *bench.table();
  CHECK(table.struct_size == sizeof(stargazer_host));
  CHECK(table.abi_version == STARGAZER_PLUGIN_ABI_VERSION);
  CHECK(table.attempt == 2);
  CHECK(std::string(table.task) == "decay");
  CHECK(std::string(table.run_id) == "r-1");
  CHECK(table.timeout_s == 90);
  CHECK(table.deadline == 1795430601.5);
  CHECK(table.epoch == 7);
  CHECK(std::string(table.params) == R"({"task":"decay"})");
}

TEST_CASE("a stop is seen, and its descriptor becomes readable", "[plugin_host]") {
  Bench bench;
  pollfd readable{bench.table()->stop_fd, POLLIN, 0};
  CHECK(bench.table()->stop_requested(bench.table()) == 0);
  CHECK(poll(&readable, 1, 0) == 0);
  bench.stop.ask();
  bench.stop.ask();
  CHECK(bench.table()->stop_requested(bench.table()) == 1);
  CHECK(poll(&readable, 1, 0) == 1);
}

TEST_CASE("what a job says reaches the daemon's end", "[plugin_host]") {
  const Bench bench;
  const stargazer_host* host = bench.table();
  const auto [priority, level] = GENERATE(table<int, std::string>(
      {{3, "error"}, {4, "warning"}, {5, "notice"}, {6, "info"}, {7, "debug"}, {0, "error"}, {99, "debug"}}));
  CHECK(host->log(host, priority, "hello") == STARGAZER_DONE);
  CHECK(bench.said_once()["params"] == nlohmann::json{{"level", level}, {"message", "hello"}});
  CHECK(host->log(host, priority, nullptr) == STARGAZER_DONE);
  CHECK(bench.said_once()["params"]["message"] == "");

  CHECK(host->counter(host, "files", 3) == STARGAZER_DONE);
  CHECK(bench.said_once()["params"] == nlohmann::json{{"name", "files"}, {"value", 3.0}});
  CHECK(host->progress(host, 1, 2, nullptr) == STARGAZER_DONE);
  CHECK(bench.said_once()["method"] == "progress");
  const stargazer_event event = event_of("report", R"({"n":1})");
  CHECK(host->event(host, &event) == STARGAZER_DONE);
  CHECK(bench.said_once()["params"]["payload"]["n"] == 1);
}

TEST_CASE("misuse is answered each time, and told once", "[plugin_host]") {
  const Bench bench;
  const stargazer_host* host = bench.table();
  const auto told_once = [&] {
    const nlohmann::json line = bench.said_once();
    CHECK(line["method"] == "log");
    CHECK(line["params"]["level"] == "warning");
    return line["params"]["message"].get<std::string>();
  };
  SECTION("a counter's name") {
    CHECK(host->counter(host, "a b", 1) == STARGAZER_INVALID);
    CHECK(told_once() == "a call of the plugin was refused: counter: the name must be 1 to 128 of A-Z a-z 0-9 _ . -");
    CHECK(host->counter(host, nullptr, 1) == STARGAZER_INVALID);
    CHECK(bench.said().empty());
  }
  SECTION("an event's payload") {
    const stargazer_event event = event_of("report", "{");
    CHECK(host->event(host, &event) == STARGAZER_INVALID);
    CHECK(told_once() == "a call of the plugin was refused: event: the payload is not JSON");
  }
  SECTION("an event of another size") {
    stargazer_event event = event_of("report", nullptr);
    event.struct_size = 0;
    CHECK(host->event(host, &event) == STARGAZER_INVALID);
    CHECK(told_once() == "a call of the plugin was refused: event: struct_size is 0, not that of its struct");
  }
  SECTION("progress that is no number") {
    CHECK(host->progress(host, std::numeric_limits<double>::quiet_NaN(), 0, "") == STARGAZER_INVALID);
    CHECK(told_once() == "a call of the plugin was refused: progress: done must be a number from 0 up");
  }
  SECTION("an argument of a write that is null") {
    const std::array<const char*, 2> arguments{"DEL", nullptr};
    std::array<char, 8> answer{};
    CHECK(host->lease_write(host, arguments.size(), arguments.data(), answer.data(), answer.size()) ==
          STARGAZER_INVALID);
    CHECK(std::string(answer.data()) == "argumen");
    CHECK(told_once() == "a call of the plugin was refused: lease_write: argument 1 is null");
  }
  SECTION("bytes of a write that are not UTF-8") {
    const std::array<const char*, 2> arguments{"DEL", "\xff"};
    CHECK(host->lease_write(host, arguments.size(), arguments.data(), nullptr, 0) == STARGAZER_INVALID);
    CHECK(told_once() == "a call of the plugin was refused: lease_write: argument 1 is not UTF-8");
  }
}

TEST_CASE("nothing is said after the result, nor to a daemon that is gone", "[plugin_host]") {
  Bench bench;
  const stargazer_host* host = bench.table();
  SECTION("after the result") {
    bench.channel->send_result(result_line({}));
    CHECK(bench.said_once()["result"]["status"] == "ok");
    CHECK(host->log(host, STARGAZER_LOG_INFO, "late") == STARGAZER_GONE);
    CHECK(bench.said().empty());
  }
  SECTION("the daemon is gone") {
    bench.daemon_end.reset();
    CHECK(host->log(host, STARGAZER_LOG_INFO, "late") == STARGAZER_GONE);
    std::array<char, 64> message{};
    CHECK(host->verify_lease(host, message.data(), message.size()) == STARGAZER_GONE);
    CHECK(std::string(message.data()) == "the scheduler is gone");
  }
}

TEST_CASE("the worse of what was set and what the job returned is the result", "[plugin_host]") {
  const Bench bench;
  const stargazer_host* host = bench.table();
  const auto settled = [&](int returned) { return bench.host->settle(returned); };
  CHECK(settled(STARGAZER_OK).outcome == Outcome::kOk);
  CHECK(settled(STARGAZER_SKIPPED).outcome == Outcome::kSkipped);
  CHECK(settled(STARGAZER_SKIPPED).message.empty());
  CHECK(settled(STARGAZER_FAILED).outcome == Outcome::kFailed);
  CHECK(settled(STARGAZER_FAILED).message == "the job returned STARGAZER_FAILED and did not say why");
  CHECK(settled(7).outcome == Outcome::kFailed);
  CHECK(settled(-1).message == "the job returned -1, which is no result of a run");

  CHECK(host->skip(host, "nothing new") == STARGAZER_SKIPPED);
  CHECK(settled(STARGAZER_OK).outcome == Outcome::kSkipped);
  CHECK(settled(STARGAZER_SKIPPED).message == "nothing new");
  CHECK(settled(STARGAZER_FAILED).outcome == Outcome::kFailed);

  CHECK(host->fail(host, "KeyError", "the first") == STARGAZER_FAILED);
  CHECK(host->fail(host, nullptr, "the last") == STARGAZER_FAILED);
  for (const int returned : std::array<int, 4>{STARGAZER_OK, STARGAZER_SKIPPED, STARGAZER_FAILED, 7}) {
    CHECK(settled(returned).outcome == Outcome::kFailed);
    CHECK(settled(returned).message == "the last");
    CHECK(settled(returned).error.empty());
  }
  CHECK(bench.said().empty());
}
