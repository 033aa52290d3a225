#include "daemon/worker_channel.h"

#include <chrono>
#include <string>
#include <vector>

#include "unit/catch.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

constexpr RunId kRun{7};

// A channel whose run 7, of the task "talker", began at 0 s.
struct Bench {
  Bench() { channel.started(kRun, "talker"); }

  void say(const std::string& method, const std::string& params) {
    channel.take(kRun, R"({"jsonrpc":"2.0","method":")" + method + R"(","params":)" + params + "}", false);
  }
  void answer(const std::string& rest) { channel.take(kRun, R"({"jsonrpc":"2.0","id":1,)" + rest + "}", false); }
  std::vector<std::string> messages() const {
    std::vector<std::string> all;
    for (const LogRecord& record : records) all.push_back(record.message);
    return all;
  }

  std::vector<LogRecord> records;
  std::vector<DebugEvent> events;
  std::vector<Input> inputs;
  std::vector<std::string> answers;
  std::vector<RpcRequest> requests;
  std::vector<KeepOffer> offers;
  bool log_congested = false;
  bool events_congested = false;
  Instant now{};
  WorkerChannel channel{{
                            .log = [this](LogRecord record) { records.push_back(std::move(record)); },
                            .log_congested = [this] { return log_congested; },
                            .publish = [this](RunId, DebugEvent event) { events.push_back(std::move(event)); },
                            .events_congested = [this] { return events_congested; },
                            .post = [this](Input input) { inputs.push_back(std::move(input)); },
                            .answer = [this](RunId, const std::string& line) { answers.push_back(line); },
                            .offered = [this](RunId, KeepOffer offer) { offers.push_back(offer); },
                            .request =
                                [this](RunId, const RpcRequest& request) {
                                  requests.push_back(request);
                                  return request.method == "lease.verify";
                                },
                            .run_id_text = [](RunId run) { return "run-" + std::to_string(run.number); },
                            .now = [this] { return now; },
                        },
                        LineBudget(10, 20)};
};

using Messages = std::vector<std::string>;
using Fields = std::vector<std::pair<std::string, std::string>>;

}  // namespace

TEST_CASE("a line for the journal has its own fields and those of the run", "[worker_channel]") {
  Bench bench;
  bench.say("log", R"({"level":"error","message":"m","fields":{"CHANNEL":"c"}})");
  REQUIRE(bench.records.size() == 1);
  CHECK(bench.records[0].priority == Priority::kError);
  CHECK(bench.records[0].message == "m");
  CHECK(bench.records[0].fields ==
        Fields{{"CHANNEL", "c"}, {"TASK", "talker"}, {"RUN_ID", "run-7"}, {"STREAM", "log"}});
}

TEST_CASE("lines and events beyond what there is room for are dropped, said once and counted", "[worker_channel]") {
  Bench bench;
  bench.log_congested = bench.events_congested = true;
  for (int count = 0; count < 3; ++count) {
    bench.say("log", R"({"message":"m"})");
    bench.say("event", R"({"event_type":"e"})");
  }
  CHECK(bench.events.empty());
  CHECK(bench.messages() == Messages{"talker: writes more to the journal than it takes; lines are being dropped",
                                     "talker: publishes more events than Redis takes; events are being dropped"});
  bench.records.clear();
  bench.channel.ended(kRun);
  CHECK(bench.messages() ==
        Messages{"talker: 3 of its lines for the journal were dropped", "talker: 3 of its events were dropped"});
}

TEST_CASE("an event has the task for its source and lasts since the start unless it says otherwise",
          "[worker_channel]") {
  Bench bench;
  bench.now = Instant(1500ms);
  bench.say("event", R"({"event_type":"e"})");
  bench.say("event", R"({"event_type":"e","source":"s","duration_ms":0,"payload":{"a":1}})");
  REQUIRE(bench.events.size() == 2);
  CHECK(bench.events[0].source == "talker");
  CHECK(bench.events[0].duration_ms == 1500);
  CHECK(bench.events[0].payload == "{}");
  CHECK(bench.events[1].source == "s");
  CHECK(bench.events[1].duration_ms == 0);
  CHECK(bench.events[1].payload == R"({"a":1})");
}

TEST_CASE("progress and the result go to the core", "[worker_channel]") {
  Bench bench;
  bench.say("progress", R"({"done":1,"total":2,"message":"half"})");
  bench.answer(R"("error":{"code":-1,"message":"no","data":{"error":"KeyError"}})");
  REQUIRE(bench.inputs.size() == 2);
  const auto& progress = std::get<ProgressReported>(bench.inputs[0]);
  CHECK(progress.run == kRun);
  CHECK(progress.message == "half");
  const auto& reported = std::get<RunReported>(bench.inputs[1]);
  CHECK(reported.outcome == Outcome::kFailed);
  CHECK(reported.message == "no");
  CHECK(reported.error == "KeyError");
}

TEST_CASE("what comes after the result changes nothing; a request is told so", "[worker_channel]") {
  Bench bench;
  bench.answer(R"("result":null)");
  bench.answer(R"("result":null)");
  bench.say("log", R"({"message":"m"})");
  bench.channel.take(kRun, R"({"jsonrpc":"2.0","id":5,"method":"lease.verify"})", false);
  CHECK(bench.inputs.size() == 1);
  CHECK(bench.requests.empty());
  REQUIRE(bench.answers.size() == 1);
  CHECK(bench.answers[0].find(R"("id":5,"error":{"code":-32600)") != std::string::npos);
  CHECK(bench.messages() == Messages{"talker: what it wrote to its fd 3 was refused: a second result of run"});
}

TEST_CASE("what is refused is said once, and the end of the run says how often", "[worker_channel]") {
  Bench bench;
  bench.channel.take(kRun, "x", true);
  bench.channel.take(kRun, "{", false);
  bench.channel.take(kRun, R"({"jsonrpc":"2.0","id":2,"method":"lease.take"})", false);
  CHECK(bench.answers.size() == 3);
  REQUIRE(bench.inputs.size() == 1);
  CHECK(std::get<SayingRefused>(bench.inputs[0]).why == "this line is too long");
  CHECK(bench.messages() == Messages{"talker: what it wrote to its fd 3 was refused: this line is too long"});
  bench.records.clear();
  bench.channel.ended(kRun);
  CHECK(bench.messages() == Messages{"talker: 3 of the lines that it wrote to its fd 3 were refused"});
  bench.records.clear();
  bench.channel.ended(kRun);
  bench.say("log", R"({"message":"m"})");
  CHECK(bench.records.empty());
}

TEST_CASE("counters are summed for the run", "[worker_channel]") {
  Bench bench;
  bench.say("counter", R"({"name":"b","value":0.5})");
  bench.say("counter", R"({"name":"a"})");
  bench.say("counter", R"({"name":"a","value":2})");
  bench.channel.ended(kRun);
  CHECK(bench.messages() == Messages{"talker: counted a=3, b=0.5"});
}

TEST_CASE("of too many lines, by output or fd 3, the rest is left out where it would have been", "[worker_channel]") {
  Bench bench;
  const OutputLine line{kRun, "run-7", "talker", OutputStream::kStdout, "out", false};
  for (int count = 0; count < 15; ++count) {
    bench.channel.output(line);
    bench.say("log", R"({"message":"note"})");
  }
  CHECK(bench.records.size() == 20);
  bench.records.clear();
  bench.now = Instant(1s);
  bench.channel.output(line);
  CHECK(bench.messages() == Messages{"[10 lines left out: too many in a short time]", "out"});
  CHECK(bench.records[0].priority == Priority::kWarning);
  CHECK(bench.records[0].fields == Fields{{"TASK", "talker"}, {"RUN_ID", "run-7"}, {"LEFT_OUT", "10"}});
}

TEST_CASE("what was left out at the end of a run is told at its end, and the next run begins with all its room",
          "[worker_channel]") {
  Bench bench;
  const auto write_25 = [&bench](RunId run) {
    for (int count = 0; count < 25; ++count)
      bench.channel.output({run, "run", "talker", OutputStream::kStderr, "line", false});
  };
  write_25(kRun);
  bench.records.clear();
  bench.channel.ended(kRun);
  CHECK(bench.messages() == Messages{"[5 lines left out: too many in a short time]"});
  bench.records.clear();
  bench.channel.started(RunId{8}, "talker");
  write_25(RunId{8});
  CHECK(bench.messages() == Messages(20, "line"));
}

TEST_CASE("a worker that could have another run is told of with how its run ended and whether it said that it began",
          "[worker_channel]") {
  Bench bench;
  bench.answer(R"("result":{"keep":true})");
  REQUIRE(bench.offers.size() == 1);
  CHECK_FALSE(bench.offers[0].skipped);
  CHECK_FALSE(bench.offers[0].announced);
  CHECK_FALSE(bench.offers[0].refused);
  bench.channel.started(RunId{8}, "talker");
  bench.channel.take(RunId{8}, R"({"jsonrpc":"2.0","method":"started"})", false, 2);
  bench.channel.take(RunId{8}, R"({"jsonrpc":"2.0","id":2,"result":{"status":"skipped","keep":true}})", false, 2);
  REQUIRE(bench.offers.size() == 2);
  CHECK(bench.offers[1].skipped);
  CHECK(bench.offers[1].announced);
  CHECK(bench.inputs.size() == 2);
  CHECK(bench.records.empty());
}

TEST_CASE("the result of an earlier run of the same process is none of this one", "[worker_channel]") {
  Bench bench;
  bench.channel.take(kRun, R"({"jsonrpc":"2.0","id":1,"result":{"keep":true}})", false, 2);
  CHECK(bench.offers.empty());
  REQUIRE(bench.inputs.size() == 1);
  CHECK(std::get<SayingRefused>(bench.inputs[0]).why == "an answer to nothing that was asked: id 1");
  CHECK(bench.messages() ==
        Messages{"talker: what it wrote to its fd 3 was refused: an answer to nothing that was asked: id 1"});
}

TEST_CASE("an offer says whether anything before it was refused", "[worker_channel]") {
  Bench bench;
  bench.channel.take(kRun, "{", false);
  bench.answer(R"("result":{"keep":true})");
  REQUIRE(bench.offers.size() == 1);
  CHECK(bench.offers[0].refused);
}

TEST_CASE("neither a failure nor a result without it is an offer", "[worker_channel]") {
  Bench bench;
  const std::string rest = GENERATE(as<std::string>(), R"("result":{"status":"ok"})", R"("result":{"keep":false})",
                                    R"("error":{"code":-1,"message":"no","data":{"keep":true}})");
  bench.answer(rest);
  CHECK(bench.offers.empty());
  CHECK(bench.inputs.size() == 1);
}
