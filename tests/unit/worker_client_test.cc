#include "io/worker_client.h"

#include <limits>
#include <string>

#include <nlohmann/json.hpp>

#include "unit/catch.h"

using namespace stargazer;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <typename T>
T heard_as(const std::string& line) {
  const DaemonSaying saying = parse_daemon_line(line);
  INFO(line);
  REQUIRE(std::holds_alternative<T>(saying));
  return std::get<T>(saying);
}

// What the daemon makes of a line of ours.
template <typename T>
T told_as(const std::string& line) {
  const WorkerSaying saying = parse_rpc(line);
  if (const auto* refusal = std::get_if<RpcRefusal>(&saying)) {
    FAIL(refusal->why);
  }
  REQUIRE(std::holds_alternative<T>(saying));
  return std::get<T>(saying);
}

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
}

}  // namespace

TEST_CASE("what the daemon says of a run is read, and handed on as it came", "[worker_client]") {
  const std::string params =
      R"({"protocol":1,"task":"t","run_id":"r-1","attempt":2,"timeout_s":1.5,"deadline":1795430601.25,)"
      R"("arguments":["redis"],"lease":{"holder":"n","token":18446744073709551615},"flags":{"z":1,"a":"ü\n"}})";
  const auto run = heard_as<RunCall>(rpc_run(params));
  CHECK(run.protocol == 1);
  CHECK(run.task == "t");
  CHECK(run.run_id == "r-1");
  CHECK(run.attempt == 2);
  CHECK(run.timeout_s == 1.5);
  CHECK(run.deadline == 1795430601.25);
  CHECK(run.of_lease);
  CHECK(run.epoch == std::numeric_limits<std::uint64_t>::max());
  CHECK(run.params == params);
}

TEST_CASE("members of a run that are absent or of another kind have their defaults", "[worker_client]") {
  const std::string params = GENERATE(
      R"({})", R"([])", R"("x")", R"({"protocol":"1","task":7,"run_id":null,"attempt":-1,"timeout_s":"1"})",
      R"({"protocol":null,"attempt":1.5,"timeout_s":null,"deadline":-3,"lease":null})", R"({"attempt":0,"lease":[1]})");
  const auto run = heard_as<RunCall>(rpc_run(params));
  CHECK(run.protocol == 0);
  CHECK(run.task.empty());
  CHECK(run.attempt == 1);
  CHECK(run.timeout_s == 0);
  CHECK(run.deadline == 0);
  CHECK_FALSE(run.of_lease);
  CHECK(run.epoch == 0);
  CHECK(nlohmann::json::parse(run.params).is_object());
}

TEST_CASE("a stop is read with its reason, and without one", "[worker_client]") {
  CHECK(heard_as<StopCall>(rpc_stop("the lease \"is\" lost")).reason == "the lease \"is\" lost");
  CHECK(heard_as<StopCall>(R"({"jsonrpc":"2.0","method":"stop"})").reason.empty());
}

TEST_CASE("an answer is read with its id, and its error's code and message", "[worker_client]") {
  const auto result = heard_as<RpcReply>(R"({"jsonrpc":"2.0","id":7,"result":{"epoch":3}})");
  CHECK(result.id == 7);
  CHECK(result.code == 0);
  CHECK(result.text == R"({"epoch":3})");
  const auto error = heard_as<RpcReply>(rpc_error("8", RpcError::kLeaseLost, "lease lost to n"));
  CHECK(error.id == 8);
  CHECK(error.code == -32003);
  CHECK(error.text == "lease lost to n");
}

TEST_CASE("whatever else the daemon says is passed over", "[worker_client]") {
  const std::string line = GENERATE(
      std::string(), std::string("{"), std::string("\xff\xfe"), std::string("7"), std::string("[]"),
      std::string(R"({"jsonrpc":"1.0","id":1,"result":1})"), std::string(R"({"id":1,"result":1})"),
      std::string(R"({"jsonrpc":"2.0","id":"a","result":1})"), std::string(R"({"jsonrpc":"2.0","result":1})"),
      std::string(R"({"jsonrpc":"2.0","id":1})"), std::string(R"({"jsonrpc":"2.0","id":1,"error":7})"),
      std::string(R"({"jsonrpc":"2.0","id":1,"error":{"code":0,"message":"x"}})"),
      std::string(R"({"jsonrpc":"2.0","method":"pause"})"), rpc_error("", RpcError::kParse, "x"),
      R"({"jsonrpc":"2.0","method":"run","params":)" + nested(64) + "}",
      R"({"jsonrpc":"2.0","method":"stop","params":{"reason":")" + std::string(kRpcLineBytesMax, 'x') + "\"}}");
  heard_as<NotUnderstood>(line);
}

TEST_CASE("a line for the journal reaches the daemon, which marks what is too long", "[worker_client]") {
  const auto priority =
      GENERATE(Priority::kDebug, Priority::kInfo, Priority::kNotice, Priority::kWarning, Priority::kError);
  const auto note = told_as<LogNote>(log_line({priority, "a \"b\"\n\x01 ü", {}}));
  CHECK(note.priority == priority);
  CHECK(note.message == "a \"b\"\n\x01 ü");
  CHECK(told_as<LogNote>(log_line({priority, "\xff", {}})).message == "\xEF\xBF\xBD");
  const std::string longest(LogNote::kMessageBytesMax, 'x');
  CHECK(told_as<LogNote>(log_line({priority, longest, {}})).message == longest);
  CHECK(told_as<LogNote>(log_line({priority, longest + "x", {}})).message == longest + " […cut]");
  CHECK(told_as<LogNote>(log_line({priority, std::string(4U << 20U, '\x01'), {}})).message.size() < 16500);
}

TEST_CASE("an event reaches the daemon with what was given", "[worker_client]") {
  EventNote note;
  note.event_type = "kg_decay";
  note.source = "s";
  note.preview = "p";
  note.payload = "{\n\"n\": [1, \"ü\"]\n}";
  note.duration_ms = 5.5;
  const auto told = told_as<EventNote>(event_line(note).value());
  CHECK(told.event_type == "kg_decay");
  CHECK(told.source == "s");
  CHECK(told.phase.empty());
  CHECK(told.preview == "p");
  CHECK(told.payload == R"({"n":[1,"ü"]})");
  CHECK(told.duration_ms == 5.5);

  note.payload = "";
  note.duration_ms = GENERATE(0.0, -1.0, std::numeric_limits<double>::quiet_NaN());
  CHECK(told_as<EventNote>(event_line(note).value()).payload == "{}");
  CHECK(told_as<EventNote>(event_line(note).value()).duration_ms == -1);
}

TEST_CASE("an event that the daemon would refuse is an error", "[worker_client]") {
  const auto problem = [](const std::string& type, const std::string& payload, double duration_ms = 0) {
    EventNote note;
    note.event_type = type;
    note.payload = payload;
    note.duration_ms = duration_ms;
    const Result<std::string> line = event_line(note);
    return line.ok() ? "" : line.error().message();
  };
  CHECK(problem("", "1") == "event_type is empty");
  CHECK(problem("t", "{") == "the payload is not JSON");
  CHECK(problem("t", "\"\xff\"") == "the payload is not JSON");
  CHECK(problem("t", nested(60)).empty());
  CHECK(problem("t", nested(61)) == "the payload nests deeper than 60");
  CHECK(problem("t", '"' + std::string(kPayloadBytesMax - 2, 'x') + '"').empty());
  CHECK(problem("t", '"' + std::string(kPayloadBytesMax - 1, 'x') + '"') ==
        "the payload has 65537 bytes, allowed are 65536");
  CHECK(problem("t", "", kInfinity) == "duration_ms is not finite");
  told_as<EventNote>(event_line({"t", "", "", "", "", -1, nested(60)}).value());
}

TEST_CASE("counters and progress reach the daemon, unless it would refuse them", "[worker_client]") {
  const auto counter = told_as<CounterNote>(counter_line({"a.B_9-", -2.5}).value());
  CHECK(counter.name == "a.B_9-");
  CHECK(counter.value == -2.5);
  CHECK(counter_line({"", 1}).error().message() == "the name must be 1 to 128 of A-Z a-z 0-9 _ . -");
  CHECK_FALSE(counter_line({std::string(129, 'x'), 1}).ok());
  CHECK_FALSE(counter_line({"a b", 1}).ok());
  CHECK(counter_line({"a", kInfinity}).error().message() == "the value is not finite");

  const auto progress = told_as<ProgressNote>(progress_line({3, 10, "half"}).value());
  CHECK(progress.done == 3);
  CHECK(progress.total == 10);
  CHECK(progress.message == "half");
  CHECK(progress_line({-1, 0, ""}).error().message() == "done must be a number from 0 up");
  CHECK(progress_line({0, -kInfinity, ""}).error().message() == "total must be a number from 0 up");
  CHECK_FALSE(progress_line({std::numeric_limits<double>::quiet_NaN(), 0, ""}).ok());
}

TEST_CASE("a result reaches the daemon as it was meant", "[worker_client]") {
  CHECK(told_as<RunAnswer>(result_line({})).outcome == Outcome::kOk);
  const auto skipped = told_as<RunAnswer>(result_line({Outcome::kSkipped, "nothing new", ""}));
  CHECK(skipped.outcome == Outcome::kSkipped);
  CHECK(skipped.message == "nothing new");
  const auto failed = told_as<RunAnswer>(result_line({Outcome::kFailed, "no such channel", "KeyError"}));
  CHECK(failed.outcome == Outcome::kFailed);
  CHECK(failed.message == "no such channel");
  CHECK(failed.error == "KeyError");
  CHECK(told_as<RunAnswer>(result_line({Outcome::kFailed, std::string(5000, 'x'), std::string(300, 'y')})).message ==
        std::string(4096, 'x') + " […cut]");
}

TEST_CASE("a request reaches the daemon with its texts, unless it could not be carried out", "[worker_client]") {
  const auto request = told_as<RpcRequest>(request_line(7, "lease.write", {"SET", "k", "ü \"\n"}).value());
  CHECK(request.id == "7");
  CHECK(request.method == "lease.write");
  CHECK(request.params == std::vector<std::string>{"SET", "k", "ü \"\n"});
  CHECK(told_as<RpcRequest>(request_line(1, "lease.verify", {}).value()).params.empty());
  CHECK(request_line(1, "m", {"a", "\xff"}).error().message() == "argument 1 is not UTF-8");
  CHECK_FALSE(request_line(1, "m", {std::string(kRpcLineBytesMax, 'x')}).ok());
}

TEST_CASE("a run of a process that is kept says its id, its job and that it is kept", "[worker_client]") {
  const auto run = heard_as<RunCall>(rpc_run(R"({"protocol":1,"job":"sweep","keep":true})", 7));
  CHECK(run.id == 7);
  CHECK(run.job == "sweep");
  CHECK(run.keep);
  const auto plain = heard_as<RunCall>(rpc_run(R"({"protocol":1,"keep":"yes"})"));
  CHECK(plain.id == kRunRequestId);
  CHECK(plain.job.empty());
  CHECK_FALSE(plain.keep);
}

TEST_CASE("the offer to be kept, and that a run begins, reach the daemon", "[worker_client]") {
  CHECK(std::holds_alternative<StartedNote>(parse_rpc(started_line())));
  const WorkerSaying saying = parse_rpc(result_line({Outcome::kOk, "", "", true}, 7), 7);
  REQUIRE(std::holds_alternative<RunAnswer>(saying));
  CHECK(std::get<RunAnswer>(saying).keep);
  // A failure is no offer.
  CHECK_FALSE(told_as<RunAnswer>(result_line({Outcome::kFailed, "m", "k", true})).keep);
}
