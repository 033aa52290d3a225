#include "io/worker_rpc.h"

#include <string>

#include <nlohmann/json.hpp>

#include "unit/catch.h"

using namespace stargazer;

namespace {

template <typename T>
T read_as(const std::string& line) {
  const WorkerSaying saying = parse_rpc(line);
  if (const auto* refusal = std::get_if<RpcRefusal>(&saying)) INFO(refusal->why);
  REQUIRE(std::holds_alternative<T>(saying));
  return std::get<T>(saying);
}

std::string note(const std::string& method, const std::string& params) {
  return R"({"jsonrpc":"2.0","method":")" + method + R"(","params":)" + params + "}";
}

std::string result(const std::string& rest) {
  return R"({"jsonrpc":"2.0","id":1,)" + rest + "}";
}

}  // namespace

TEST_CASE("a request is read with its id, method and parameters", "[worker_rpc]") {
  const auto [line, id] = GENERATE(table<std::string, std::string>({
      {R"({"jsonrpc":"2.0","id":7,"method":"m","params":["a","b c"]})", "7"},
      {R"({"jsonrpc":"2.0","id":"x\"y","method":"m","params":["a","b c"]})", R"("x\"y")"},
      {R"({"jsonrpc":"2.0","id":null,"method":"m","params":["a","b c"]})", "null"},
      {R"({"jsonrpc":"2.0","method":"m","params":["a","b c"]})", ""},
  }));
  const auto request = read_as<RpcRequest>(line);
  CHECK(request.id == id);
  CHECK(request.method == "m");
  CHECK(request.params == std::vector<std::string>{"a", "b c"});
}

TEST_CASE("parameters may be left out", "[worker_rpc]") {
  CHECK(read_as<RpcRequest>(R"({"jsonrpc":"2.0","id":1,"method":"m"})").params.empty());
}

TEST_CASE("a line that is no request is answered with what is wrong and the id, if it has one", "[worker_rpc]") {
  const auto [line, code, id] = GENERATE(table<std::string, std::string, std::string>({
      {"", "-32700", "null"},
      {"{", "-32700", "null"},
      {"\xff\xfe", "-32700", "null"},
      {"[]", "-32600", "null"},
      {"1", "-32600", "null"},
      {R"({"id":3,"method":"m"})", "-32600", "3"},
      {R"({"jsonrpc":"1.0","id":3,"method":"m"})", "-32600", "3"},
      {R"({"jsonrpc":"2.0","id":3})", "-32600", "3"},
      {R"({"jsonrpc":"2.0","id":3,"method":4})", "-32600", "3"},
      {R"({"jsonrpc":"2.0","id":[3],"method":"m"})", "-32600", "null"},
      {R"({"jsonrpc":"2.0","id":")" + std::string(257, 'i') + R"(","method":"m"})", "-32600", "null"},
      {R"({"jsonrpc":"2.0","id":3,"method":"m","params":{"a":"b"}})", "-32602", "3"},
      {R"({"jsonrpc":"2.0","id":3,"method":"m","params":[1]})", "-32602", "3"},
      {R"({"jsonrpc":"2.0","id":3,"method":"log","params":{"message":"m"}})", "-32602", "3"},
  }));
  INFO(line);
  const auto refusal = read_as<RpcRefusal>(line);
  CHECK_FALSE(refusal.why.empty());
  CHECK(refusal.answer.starts_with(R"({"jsonrpc":"2.0","id":)" + id + R"(,"error":{"code":)" + code + ","));
}

TEST_CASE("deep nesting is refused before it can cost the stack", "[worker_rpc]") {
  CHECK(read_as<RpcRefusal>(std::string(kRpcLineBytesMax, '[')).why == "this line nests too deeply");
  const auto nested = [](int depth) {
    return note("event", R"({"event_type":"e","payload":)" + std::string(static_cast<std::size_t>(depth), '[') +
                             "\"[[\"" + std::string(static_cast<std::size_t>(depth), ']') + "}");
  };
  read_as<EventNote>(nested(kRpcDepthMax - 2));
  read_as<RpcRefusal>(nested(kRpcDepthMax - 1));
}

TEST_CASE("a line for the journal has a level, a text and fields", "[worker_rpc]") {
  const auto line = read_as<LogNote>(
      note("log", R"({"level":"warning","message":"late","fields":{"CHANNEL":"x","COUNT":3,"OK":true}})"));
  CHECK(line.priority == Priority::kWarning);
  CHECK(line.message == "late");
  CHECK(line.fields ==
        std::vector<std::pair<std::string, std::string>>{{"CHANNEL", "x"}, {"COUNT", "3"}, {"OK", "true"}});
  CHECK(read_as<LogNote>(note("log", R"({"message":"m"})")).priority == Priority::kInfo);
  const std::string euros = std::string(LogNote::kMessageBytesMax - 1, 'x') + "€";
  CHECK(read_as<LogNote>(note("log", R"({"message":")" + euros + R"("})")).message ==
        std::string(LogNote::kMessageBytesMax - 1, 'x') + " […cut]");
}

TEST_CASE("a notification with wrong parameters is refused and not answered", "[worker_rpc]") {
  const auto [method, params] = GENERATE(table<std::string, std::string>({
      {"log", "{}"},
      {"log", "[]"},
      {"log", R"({"message":3})"},
      {"log", R"({"message":"m","level":"loud"})"},
      {"log", R"({"message":"m","extra":1})"},
      {"log", R"({"message":"m","fields":[]})"},
      {"log", R"({"message":"m","fields":{"TASK":"other"}})"},
      {"log", R"({"message":"m","fields":{"_PID":"1"}})"},
      {"log", R"({"message":"m","fields":{"STARGAZER_EVENT":"x"}})"},
      {"log", R"({"message":"m","fields":{"lower":"x"}})"},
      {"log", R"({"message":"m","fields":{"A":{}}})"},
      {"event", "{}"},
      {"event", R"({"event_type":""})"},
      {"event", R"({"event_type":"e","duration_ms":"1"})"},
      {"counter", "{}"},
      {"counter", R"({"name":"a b"})"},
      {"counter", R"({"name":"a","value":"1"})"},
      {"progress", "{}"},
      {"progress", R"({"done":-1})"},
  }));
  INFO(method << ' ' << params);
  const auto refusal = read_as<RpcRefusal>(note(method, params));
  CHECK(refusal.why.starts_with(method + ": "));
  CHECK(refusal.answer.empty());
}

TEST_CASE("events, counters and progress are read", "[worker_rpc]") {
  const auto event = read_as<EventNote>(
      note("event",
           R"({"event_type":"kg_decay","source":"s","status":"ok","preview":"removed=3","payload":{"removed":3}})"));
  CHECK(event.event_type == "kg_decay");
  CHECK(event.source == "s");
  CHECK(event.status == "ok");
  CHECK(event.preview == "removed=3");
  CHECK(event.payload == R"({"removed":3})");
  CHECK(event.duration_ms < 0);
  CHECK(read_as<CounterNote>(note("counter", R"({"name":"a"})")).value == 1);
  CHECK(read_as<CounterNote>(note("counter", R"({"name":"a","value":2.5})")).value == 2.5);
  const auto progress = read_as<ProgressNote>(note("progress", R"({"done":3,"total":10,"message":"m"})"));
  CHECK(progress.done == 3);
  CHECK(progress.total == 10);
  CHECK(progress.message == "m");
}

TEST_CASE("the result of a run is ok, skipped or a typed error", "[worker_rpc]") {
  CHECK(read_as<RunAnswer>(result(R"("result":null)")).outcome == Outcome::kOk);
  CHECK(read_as<RunAnswer>(result(R"("result":{"status":"ok"})")).outcome == Outcome::kOk);
  const auto skipped = read_as<RunAnswer>(result(R"("result":{"status":"skipped","message":"why"})"));
  CHECK(skipped.outcome == Outcome::kSkipped);
  CHECK(skipped.message == "why");
  const auto failed =
      read_as<RunAnswer>(result(R"("error":{"code":-32000,"message":"no","data":{"error":"ValueError"}})"));
  CHECK(failed.outcome == Outcome::kFailed);
  CHECK(failed.message == "no");
  CHECK(failed.error == "ValueError");
}

TEST_CASE("an answer that is none is refused and not answered", "[worker_rpc]") {
  const auto line = GENERATE(
      as<std::string>{}, R"({"jsonrpc":"2.0","id":2,"result":null})", R"({"jsonrpc":"2.0","id":"1","result":null})",
      R"({"jsonrpc":"2.0","result":null})", R"({"jsonrpc":"2.0","id":1,"result":{},"error":{}})",
      R"({"jsonrpc":"2.0","id":1,"result":{"status":"done"}})", R"({"jsonrpc":"2.0","id":1,"result":"ok"})",
      R"({"jsonrpc":"2.0","id":1,"error":{"message":"no code"}})", R"({"jsonrpc":"2.0","id":1,"error":"text"})");
  INFO(line);
  CHECK(read_as<RpcRefusal>(line).answer.empty());
}

TEST_CASE("what is sent is one line of JSON, whatever it carries", "[worker_rpc]") {
  const RpcRequest request{"7", "m", {}};
  CHECK(rpc_result(request, "{}") == R"({"jsonrpc":"2.0","id":7,"result":{}})");
  CHECK(rpc_error("7", RpcError::kLeaseLost, "a\n\"b\"") ==
        R"({"jsonrpc":"2.0","id":7,"error":{"code":-32003,"message":"a\n\"b\""}})");
  CHECK(rpc_error("", RpcError::kParse, "x").find(R"("id":null)") != std::string::npos);
  CHECK(rpc_error("1", RpcError::kParse, "\xff").find('\xff') == std::string::npos);
  CHECK(rpc_run("{}") == R"({"jsonrpc":"2.0","id":1,"method":"run","params":{}})");
  CHECK(rpc_stop("a\nb") == R"({"jsonrpc":"2.0","method":"stop","params":{"reason":"a\nb"}})");
}

TEST_CASE("a result may offer the process for another run", "[worker_rpc]") {
  CHECK(read_as<RunAnswer>(result(R"("result":{"status":"ok","keep":true})")).keep);
  CHECK_FALSE(read_as<RunAnswer>(result(R"("result":{"keep":false})")).keep);
  CHECK_FALSE(read_as<RunAnswer>(result(R"("result":null)")).keep);
  CHECK(read_as<RpcRefusal>(result(R"("result":{"keep":1})")).why ==
        "the result of run: \"keep\" must be true or false");
}

TEST_CASE("the answer is that to the run that was told last", "[worker_rpc]") {
  const std::string line = R"({"jsonrpc":"2.0","id":7,"result":null})";
  CHECK(std::holds_alternative<RunAnswer>(parse_rpc(line, 7)));
  CHECK(std::holds_alternative<RpcRefusal>(parse_rpc(line, 8)));
  CHECK(rpc_run("{}", 7) == R"({"jsonrpc":"2.0","id":7,"method":"run","params":{}})");
}

TEST_CASE("started is a notification without parameters", "[worker_rpc]") {
  read_as<StartedNote>(R"({"jsonrpc":"2.0","method":"started"})");
  read_as<StartedNote>(note("started", "{}"));
  CHECK(read_as<RpcRefusal>(note("started", R"({"a":1})")).why == "started: params has an unknown member \"a\"");
  CHECK(read_as<RpcRefusal>(R"({"jsonrpc":"2.0","id":4,"method":"started"})").answer.find(R"("id":4,"error")") !=
        std::string::npos);
}
