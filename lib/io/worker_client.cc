#include "io/worker_client.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include "io/rpc_json.h"

namespace stargazer {
namespace {

// What is read keeps the order of its members: a job is given them as they came.
using Json = nlohmann::ordered_json;

constexpr std::size_t kTextBytesMax = 4096;  // of an event
constexpr std::size_t kErrorNameBytesMax = 256;
constexpr std::size_t kCounterNameBytesMax = 128;
// How much more than the daemon takes is sent of a text, so that it sees that there was more.
constexpr std::size_t kOverBytes = 8;

std::string shortened(const std::string& text, std::size_t bytes_max) {
  return text.substr(0, bytes_max + kOverBytes);
}

const Json* member(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

std::string text_of(const Json& object, const char* name) {
  const Json* value = member(object, name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

double number_of(const Json& object, const char* name) {
  const Json* value = member(object, name);
  if (value == nullptr || !value->is_number()) return 0;
  const auto number = value->get<double>();
  return std::isfinite(number) && number > 0 ? number : 0;
}

// As number_of, but every digit of it counts.
std::uint64_t integer_of(const Json& object, const char* name) {
  const Json* value = member(object, name);
  return value != nullptr && value->is_number_unsigned() ? value->get<std::uint64_t>() : 0;
}

DaemonSaying read_run(const Json& object, const Json& params) {
  RunCall call;
  call.id = static_cast<std::uint32_t>(
      std::min(integer_of(object, "id"), std::uint64_t{std::numeric_limits<std::uint32_t>::max()}));
  call.protocol =
      static_cast<int>(std::min(integer_of(params, "protocol"), std::uint64_t{std::numeric_limits<int>::max()}));
  call.task = text_of(params, "task");
  call.run_id = text_of(params, "run_id");
  call.job = text_of(params, "job");
  if (const Json* keep = member(params, "keep"); keep != nullptr && keep->is_boolean()) call.keep = keep->get<bool>();
  call.attempt = static_cast<std::uint32_t>(std::clamp(integer_of(params, "attempt"), std::uint64_t{1},
                                                       std::uint64_t{std::numeric_limits<std::uint32_t>::max()}));
  call.timeout_s = number_of(params, "timeout_s");
  call.deadline = number_of(params, "deadline");
  if (const Json* lease = member(params, "lease"); lease != nullptr && lease->is_object()) {
    call.of_lease = true;
    call.epoch = integer_of(*lease, "token");
  }
  if (params.is_object()) call.params = dump_line(params);
  return call;
}

DaemonSaying read_reply(const Json& object) {
  const Json* id = member(object, "id");
  if (id == nullptr || !id->is_number_integer()) return NotUnderstood{};
  RpcReply reply{id->get<std::int64_t>(), 0, ""};
  if (const Json* result = member(object, "result")) {
    reply.text = dump_line(*result);
    return reply;
  }
  const Json* error = member(object, "error");
  const Json* code = error == nullptr ? nullptr : member(*error, "code");
  if (code == nullptr || !code->is_number_integer() || code->get<std::int64_t>() >= 0) return NotUnderstood{};
  reply.code = static_cast<int>(std::max(code->get<std::int64_t>(), std::int64_t{std::numeric_limits<int>::min()}));
  reply.text = text_of(*error, "message");
  return reply;
}

std::string note_line(const char* method, const Json& params) {
  return dump_line(Json{{"jsonrpc", "2.0"}, {"method", method}, {"params", params}});
}

// A byte that belongs to no character would be replaced in one, and left out in the other.
bool is_utf8(const std::string& text) {
  const Json json(text);
  return json.dump(-1, ' ', false, Json::error_handler_t::ignore) == dump_line(json);
}

}  // namespace

DaemonSaying parse_daemon_line(std::string_view line) {
  if (line.size() > kRpcLineBytesMax || nests_deeper(line, kRpcDepthMax)) return NotUnderstood{};
  const Json object = Json::parse(line, nullptr, false);
  if (object.is_discarded() || text_of(object, "jsonrpc") != "2.0") return NotUnderstood{};
  const std::string method = text_of(object, "method");
  if (method.empty()) return read_reply(object);
  const Json* params = member(object, "params");
  static const Json none = Json::object();
  if (method == "run") return read_run(object, params == nullptr ? none : *params);
  if (method == "stop") return StopCall{text_of(params == nullptr ? none : *params, "reason")};
  return NotUnderstood{};
}

std::string log_line(const LogNote& note) {
  const char* level = "error";
  switch (note.priority) {
    case Priority::kError: break;
    case Priority::kWarning: level = "warning"; break;
    case Priority::kNotice: level = "notice"; break;
    case Priority::kInfo: level = "info"; break;
    case Priority::kDebug: level = "debug"; break;
  }
  return note_line("log", {{"level", level}, {"message", shortened(note.message, LogNote::kMessageBytesMax)}});
}

Result<std::string> event_line(const EventNote& note) {
  if (note.event_type.empty()) return Error("event_type is empty");
  Json params{{"event_type", shortened(note.event_type, kTextBytesMax)},
              {"source", shortened(note.source, kTextBytesMax)},
              {"phase", shortened(note.phase, kTextBytesMax)},
              {"status", shortened(note.status, kTextBytesMax)},
              {"preview", shortened(note.preview, kTextBytesMax)}};
  if (note.duration_ms > 0) {
    if (!std::isfinite(note.duration_ms)) return Error("duration_ms is not finite");
    params["duration_ms"] = note.duration_ms;
  }
  if (note.payload.empty()) return note_line("event", params);
  if (note.payload.size() > kPayloadBytesMax) {
    return Error("the payload has " + std::to_string(note.payload.size()) + " bytes, allowed are " +
                 std::to_string(kPayloadBytesMax));
  }
  if (nests_deeper(note.payload, kPayloadDepthMax)) {
    return Error("the payload nests deeper than " + std::to_string(kPayloadDepthMax));
  }
  params["payload"] = Json::parse(note.payload, nullptr, false);
  if (params["payload"].is_discarded()) return Error("the payload is not JSON");
  return note_line("event", params);
}

Result<std::string> counter_line(const CounterNote& note) {
  const auto allowed = [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_' || letter == '.' || letter == '-';
  };
  if (note.name.empty() || note.name.size() > kCounterNameBytesMax ||
      !std::all_of(note.name.begin(), note.name.end(), allowed)) {
    return Error("the name must be 1 to 128 of A-Z a-z 0-9 _ . -");
  }
  if (!std::isfinite(note.value)) return Error("the value is not finite");
  return note_line("counter", {{"name", note.name}, {"value", note.value}});
}

Result<std::string> progress_line(const ProgressNote& note) {
  const auto usable = [](double number) { return std::isfinite(number) && number >= 0; };
  if (!usable(note.done)) return Error("done must be a number from 0 up");
  if (!usable(note.total)) return Error("total must be a number from 0 up");
  return note_line("progress", {{"done", note.done},
                                {"total", note.total},
                                {"message", shortened(note.message, ProgressNote::kMessageBytesMax)}});
}

std::string started_line() {
  return dump_line(Json{{"jsonrpc", "2.0"}, {"method", "started"}});
}

std::string result_line(const RunAnswer& answer, std::uint32_t id) {
  Json line{{"jsonrpc", "2.0"}, {"id", id}};
  const std::string message = shortened(answer.message, RunAnswer::kMessageBytesMax);
  if (answer.outcome == Outcome::kFailed) {
    line["error"] = {
        {"code", -32000}, {"message", message}, {"data", {{"error", shortened(answer.error, kErrorNameBytesMax)}}}};
  } else {
    line["result"] = {{"status", answer.outcome == Outcome::kSkipped ? "skipped" : "ok"}, {"message", message}};
    if (answer.keep) line["result"]["keep"] = true;
  }
  return dump_line(line);
}

Result<std::string> request_line(std::int64_t id, const std::string& method, const std::vector<std::string>& params) {
  Json line{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}};
  for (const std::string& param : params) {
    if (!is_utf8(param)) return Error("argument " + std::to_string(&param - params.data()) + " is not UTF-8");
    line["params"].push_back(param);
  }
  std::string text = dump_line(line);
  if (text.size() > kRpcLineBytesMax) {
    return Error("the arguments take " + std::to_string(text.size()) + " bytes, allowed are " +
                 std::to_string(kRpcLineBytesMax));
  }
  return text;
}

}  // namespace stargazer
