// A line that a worker wrote to its fd 3, whatever it is: what is read keeps its limits, and what is sent is one line
// of JSON.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <nlohmann/json.hpp>

#include "io/worker_rpc.h"

namespace {

using namespace stargazer;

// Room for the mark behind a text that was cut.
constexpr std::size_t kMarkBytesMax = 16;

void must(bool holds) {
  if (!holds) std::abort();
}

void must_be_one_line(const std::string& line) {
  must(line.find('\n') == std::string::npos);
  must(nlohmann::json::accept(line));
}

void check(const RpcRequest& request) {
  must_be_one_line(rpc_error(request.id, RpcError::kUnavailable, request.method));
  if (!request.id.empty()) must_be_one_line(rpc_result(request, "{}"));
}

void check(const LogNote& note) {
  must(note.message.size() <= LogNote::kMessageBytesMax + kMarkBytesMax);
  must(note.fields.size() <= LogNote::kFieldsMax);
  for (const auto& [name, value] : note.fields) {
    must(!name.empty() && name.size() <= 64 && name[0] >= 'A' && name[0] <= 'Z' && !name.starts_with("STARGAZER_"));
    must(value.size() <= LogNote::kFieldBytesMax + kMarkBytesMax);
  }
}

void check(const EventNote& note) {
  must(!note.event_type.empty());
  must(nlohmann::json::accept(note.payload));
}

void check(const CounterNote& note) {
  must(!note.name.empty() && note.name.size() <= 128);
  must(note.value - note.value == 0);  // finite
}

void check(const ProgressNote& note) {
  must(note.done >= 0 && note.total >= 0);
  must(note.message.size() <= ProgressNote::kMessageBytesMax + kMarkBytesMax);
}

void check(const StartedNote&) {}

void check(const RunAnswer& answer) {
  must(!answer.keep || answer.outcome != Outcome::kFailed);
  must(answer.outcome == Outcome::kOk || answer.outcome == Outcome::kSkipped || answer.outcome == Outcome::kFailed);
  must(answer.message.size() <= RunAnswer::kMessageBytesMax + kMarkBytesMax);
}

void check(const RpcRefusal& refusal) {
  must(!refusal.why.empty());
  if (!refusal.answer.empty()) must_be_one_line(refusal.answer);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const WorkerSaying of_first_run = parse_rpc(line);
  std::visit([](const auto& saying) { check(saying); }, of_first_run);
  // The answer to one run is never taken for that to another, and all else has nothing to do with it.
  const WorkerSaying of_later_run = parse_rpc(line, 7);
  std::visit([](const auto& saying) { check(saying); }, of_later_run);
  const auto answers = [](const WorkerSaying& saying) { return std::holds_alternative<RunAnswer>(saying); };
  must(!answers(of_first_run) || !answers(of_later_run));
  must(answers(of_first_run) || answers(of_later_run) || of_first_run.index() == of_later_run.index());
  must_be_one_line(rpc_stop(line));
  return 0;
}
