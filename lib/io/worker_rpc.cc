#include "io/worker_rpc.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <initializer_list>
#include <optional>

#include <nlohmann/json.hpp>

#include "io/rpc_json.h"

namespace stargazer {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kErrorNameBytesMax = 256;
constexpr std::size_t kCounterNameBytesMax = 128;
constexpr std::size_t kFieldNameBytesMax = 64;
constexpr std::size_t kIdBytesMax = 256;

// What is wrong with a message; "" when nothing is.
using Problem = std::string;

// It comes back in answers and messages.
bool usable_id(const Json& id) {
  if (id.is_string()) return id.get_ref<const std::string&>().size() <= kIdBytesMax;
  return id.is_number() || id.is_null();
}

// Reads members of an object of parameters, and keeps the first problem.
class Params {
 public:
  explicit Params(const Json& object) : object_(object) {
    if (!object.is_object()) problem_ = "params must be an object";
  }

  std::string text(const char* name, std::size_t bytes_max, bool needed = false) {
    const Json* value = member(name, needed);
    if (value == nullptr) return "";
    if (value->is_string()) return bounded_text(value->get_ref<const std::string&>(), bytes_max);
    complain(name, "a string");
    return "";
  }

  double number(const char* name, double fallback, bool needed = false) {
    const Json* value = member(name, needed);
    if (value == nullptr) return fallback;
    if (value->is_number()) {
      const auto found = value->get<double>();
      if (std::isfinite(found)) return found;
    }
    complain(name, "a number");
    return fallback;
  }

  // False when it is absent.
  bool truth(const char* name) {
    const Json* value = member(name);
    if (value == nullptr) return false;
    if (!value->is_boolean()) complain(name, "true or false");
    return value->is_boolean() && value->get<bool>();
  }

  const Json* member(const char* name, bool needed = false) {
    if (!problem_.empty()) return nullptr;
    const auto found = object_.find(name);
    if (found != object_.end() && !found->is_null()) return &*found;
    if (needed) problem_ = std::string("params must have \"") + name + "\"";
    return nullptr;
  }

  void complain(const std::string& name, const std::string& allowed) {
    if (problem_.empty()) problem_ = '"' + name + "\" must be " + allowed;
  }
  // What is not known is refused, so that a misspelt member does not pass unseen.
  void only(std::initializer_list<std::string_view> names) {
    if (!problem_.empty()) return;
    for (const auto& [name, value] : object_.items()) {
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        problem_ = "params has an unknown member " + dump_line(Json(bounded_text(name, kFieldNameBytesMax)));
        return;
      }
    }
  }
  const Problem& problem() const { return problem_; }

 private:
  const Json& object_;
  Problem problem_;
};

std::optional<Priority> priority_of(const std::string& level) {
  constexpr std::array<std::pair<std::string_view, Priority>, 5> kLevels{{{"debug", Priority::kDebug},
                                                                          {"info", Priority::kInfo},
                                                                          {"notice", Priority::kNotice},
                                                                          {"warning", Priority::kWarning},
                                                                          {"error", Priority::kError}}};
  for (const auto& [name, priority] : kLevels) {
    if (name == level) return priority;
  }
  return std::nullopt;
}

// A name that journald takes and that the daemon does not write itself.
bool usable_field(const std::string& name) {
  constexpr std::array<std::string_view, 14> kReserved{"MESSAGE", "PRIORITY", "TASK",    "RUN_ID",  "STREAM",
                                                       "CUT",     "OUTCOME",  "REASON",  "EPOCH",   "DURATION_MS",
                                                       "ERROR",   "DELAY_MS", "ATTEMPT", "LEFT_OUT"};
  const auto allowed = [](char letter) {
    return (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') || letter == '_';
  };
  return !name.empty() && name.size() <= kFieldNameBytesMax && name[0] >= 'A' && name[0] <= 'Z' &&
         std::all_of(name.begin(), name.end(), allowed) && !name.starts_with("STARGAZER_") &&
         !name.starts_with("SYSLOG_") && std::find(kReserved.begin(), kReserved.end(), name) == kReserved.end();
}

void read_fields(const Json& fields, LogNote& note, Params& params) {
  if (!fields.is_object()) return params.complain("fields", "an object");
  if (fields.size() > LogNote::kFieldsMax) {
    return params.complain("fields", "an object with at most " + std::to_string(LogNote::kFieldsMax) + " members");
  }
  for (const auto& [name, value] : fields.items()) {
    if (!usable_field(name)) {
      return params.complain(bounded_text(name, kFieldNameBytesMax),
                             "a field of the journal that is free: A-Z, 0-9 and _, at most 64, no name of the daemon");
    }
    if (value.is_structured()) return params.complain(name, "a string, a number, true or false");
    note.fields.emplace_back(
        name, bounded_text(value.is_string() ? value.get<std::string>() : dump_line(value), LogNote::kFieldBytesMax));
  }
}

WorkerSaying read_log(Params& params) {
  LogNote note;
  note.message = params.text("message", LogNote::kMessageBytesMax, true);
  const std::string level = params.text("level", kFieldNameBytesMax);
  if (const std::optional<Priority> priority = priority_of(level.empty() ? "info" : level)) {
    note.priority = *priority;
  } else {
    params.complain("level", "debug, info, notice, warning or error");
  }
  if (const Json* fields = params.member("fields")) read_fields(*fields, note, params);
  params.only({"level", "message", "fields"});
  return note;
}

WorkerSaying read_event(Params& params) {
  EventNote note;
  constexpr std::size_t kTextBytesMax = 4096;  // the sink cuts them shorter, each as it has to
  note.event_type = params.text("event_type", kTextBytesMax, true);
  if (note.event_type.empty()) params.complain("event_type", "a string that is not empty");
  note.source = params.text("source", kTextBytesMax);
  note.phase = params.text("phase", kTextBytesMax);
  note.status = params.text("status", kTextBytesMax);
  note.preview = params.text("preview", kTextBytesMax);
  note.duration_ms = params.number("duration_ms", -1);
  const Json* payload = params.member("payload");
  note.payload = payload == nullptr ? "{}" : dump_line(*payload);
  params.only({"event_type", "source", "phase", "status", "preview", "duration_ms", "payload"});
  return note;
}

WorkerSaying read_counter(Params& params) {
  CounterNote note;
  note.name = params.text("name", kRpcLineBytesMax, true);
  note.value = params.number("value", 1);
  const auto allowed = [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_' || letter == '.' || letter == '-';
  };
  if (note.name.empty() || note.name.size() > kCounterNameBytesMax ||
      !std::all_of(note.name.begin(), note.name.end(), allowed)) {
    params.complain("name", "1 to 128 of A-Z a-z 0-9 _ . -");
  }
  params.only({"name", "value"});
  return note;
}

WorkerSaying read_progress(Params& params) {
  ProgressNote note;
  note.done = params.number("done", 0, true);
  note.total = params.number("total", 0);
  note.message = params.text("message", ProgressNote::kMessageBytesMax);
  if (note.done < 0 || note.total < 0) params.complain(note.done < 0 ? "done" : "total", "a number from 0 up");
  params.only({"done", "total", "message"});
  return note;
}

WorkerSaying read_started(Params& params) {
  params.only({});
  return StartedNote{};
}

WorkerSaying read_lease_request(const Json& object, const std::string& id, const std::string& method) {
  RpcRequest request{id, method, {}};
  const auto found = object.find("params");
  if (found == object.end()) return request;
  const auto is_text = [](const Json& param) { return param.is_string(); };
  if (!found->is_array() || !std::all_of(found->begin(), found->end(), is_text)) {
    const Problem problem = "params must be an array of strings";
    return RpcRefusal{problem, id.empty() ? "" : rpc_error(id, RpcError::kInvalidParams, problem)};
  }
  for (const Json& param : *found) request.params.push_back(param.get<std::string>());
  return request;
}

WorkerSaying read_call(const Json& object, const std::string& id) {
  if (!object["method"].is_string()) {
    return RpcRefusal{"\"method\" must be a string",
                      rpc_error(id, RpcError::kInvalidRequest, "\"method\" must be a string")};
  }
  const auto& method = object["method"].get_ref<const std::string&>();
  struct Reader {
    std::string_view method;
    WorkerSaying (*read)(Params& params);
  };
  constexpr std::array<Reader, 5> kReaders{{{"log", read_log},
                                            {"event", read_event},
                                            {"counter", read_counter},
                                            {"progress", read_progress},
                                            {"started", read_started}}};
  for (const Reader& reader : kReaders) {
    if (reader.method != method) continue;
    static const Json none = Json::object();
    const auto found = object.find("params");
    Params params(found == object.end() ? none : *found);
    WorkerSaying saying = reader.read(params);
    Problem problem = params.problem();
    if (problem.empty() && !id.empty()) problem = "is a notification: it has no \"id\"";
    if (problem.empty()) return saying;
    problem.insert(0, method + ": ");
    return RpcRefusal{problem, id.empty() ? "" : rpc_error(id, RpcError::kInvalidParams, problem)};
  }
  return read_lease_request(object, id, method);
}

RunAnswer read_failure(const Json& error) {
  RunAnswer answer;
  answer.outcome = Outcome::kFailed;
  answer.message = bounded_text(error["message"].get<std::string>(), RunAnswer::kMessageBytesMax);
  const auto data = error.find("data");
  if (data == error.end() || !data->is_object()) return answer;
  const auto name = data->find("error");
  if (name != data->end() && name->is_string())
    answer.error = bounded_text(name->get<std::string>(), kErrorNameBytesMax);
  return answer;
}

WorkerSaying read_result(const Json& result) {
  RunAnswer answer;
  if (result.is_null()) return answer;
  Params params(result);
  const std::string status = params.text("status", kFieldNameBytesMax);
  answer.message = params.text("message", RunAnswer::kMessageBytesMax);
  if (status == "skipped") answer.outcome = Outcome::kSkipped;
  if (!status.empty() && status != "ok" && status != "skipped") params.complain("status", "ok or skipped");
  answer.keep = params.truth("keep");
  if (!params.problem().empty()) return RpcRefusal{"the result of run: " + params.problem(), ""};
  return answer;
}

WorkerSaying read_answer(const Json& object, const std::string& id, std::uint32_t run_request_id) {
  if (id != std::to_string(run_request_id)) return RpcRefusal{"an answer to nothing that was asked: id " + id, ""};
  const auto result = object.find("result");
  const auto error = object.find("error");
  if ((result == object.end()) == (error == object.end())) {
    return RpcRefusal{"an answer has either \"result\" or \"error\"", ""};
  }
  if (result != object.end()) return read_result(*result);
  const bool usable = error->is_object() && error->contains("code") && (*error)["code"].is_number_integer() &&
                      error->contains("message") && (*error)["message"].is_string();
  if (!usable) return RpcRefusal{"the error of run must have an integer \"code\" and a string \"message\"", ""};
  return read_failure(*error);
}

RpcRefusal refused(std::string_view id, RpcError code, const std::string& why) {
  return {why, rpc_error(id, code, why)};
}

}  // namespace

WorkerSaying parse_rpc(std::string_view line, std::uint32_t run_request_id) {
  if (line.size() > kRpcLineBytesMax) return refused("", RpcError::kInvalidRequest, "this line is too long");
  if (nests_deeper(line, kRpcDepthMax)) return refused("", RpcError::kParse, "this line nests too deeply");
  const Json object = Json::parse(line, nullptr, false);
  if (object.is_discarded()) return refused("", RpcError::kParse, "this line is not JSON");
  if (!object.is_object()) return refused("", RpcError::kInvalidRequest, "a request is one JSON object");
  const auto given = object.find("id");
  const bool bad_id = given != object.end() && !usable_id(*given);
  const std::string id = given == object.end() || bad_id ? "" : dump_line(*given);
  if (const auto version = object.find("jsonrpc"); version == object.end() || *version != "2.0") {
    return refused(id, RpcError::kInvalidRequest, "\"jsonrpc\" must be \"2.0\"");
  }
  if (bad_id) {
    return refused("", RpcError::kInvalidRequest,
                   "\"id\" must be a string of at most " + std::to_string(kIdBytesMax) + " bytes, a number or null");
  }
  if (object.contains("method")) return read_call(object, id);
  if (object.contains("result") || object.contains("error"))
    return read_answer(object, id.empty() ? "none" : id, run_request_id);
  return refused(id, RpcError::kInvalidRequest, "\"method\" must be a string");
}

std::string rpc_result(const RpcRequest& request, std::string_view result) {
  return R"({"jsonrpc":"2.0","id":)" + request.id + R"(,"result":)" + std::string(result) + "}";
}

std::string rpc_error(std::string_view id, RpcError code, std::string_view message) {
  return R"({"jsonrpc":"2.0","id":)" + std::string(id.empty() ? "null" : id) + R"(,"error":{"code":)" +
         std::to_string(static_cast<int>(code)) + R"(,"message":)" + dump_line(Json(message)) + "}}";
}

std::string rpc_run(std::string_view params, std::uint32_t id) {
  return R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"method":"run","params":)" + std::string(params) + "}";
}

std::string rpc_stop(std::string_view reason) {
  return R"({"jsonrpc":"2.0","method":"stop","params":{"reason":)" + dump_line(Json(reason)) + "}}";
}

}  // namespace stargazer
