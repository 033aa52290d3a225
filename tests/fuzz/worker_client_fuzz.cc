// A line that the daemon wrote to fd 3, whatever it is, and whatever a job makes of it: what is read keeps its limits,
// and what is sent is a line that the daemon takes.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <nlohmann/json.hpp>

#include "io/worker_client.h"

namespace {

using namespace stargazer;

void must(bool holds) {
  if (!holds) std::abort();
}

template <typename T>
void must_be_taken(const std::string& line) {
  must(line.find('\n') == std::string::npos);
  must(std::holds_alternative<T>(parse_rpc(line)));
}

template <typename T>
void must_be_taken(const Result<std::string>& line) {
  if (line.ok()) must_be_taken<T>(*line);
}

void check(const NotUnderstood&) {}

void check(const RunCall& run) {
  must(run.params.find('\n') == std::string::npos);
  must(nlohmann::json::accept(run.params));
  must(run.attempt >= 1 && run.protocol >= 0);
  must(std::isfinite(run.deadline) && run.deadline >= 0);
  must(std::isfinite(run.timeout_s) && run.timeout_s >= 0);
  must(run.of_lease || run.epoch == 0);
  const WorkerSaying answer = parse_rpc(result_line({Outcome::kOk, run.job, "", run.keep}, run.id), run.id);
  must(std::holds_alternative<RunAnswer>(answer) && std::get<RunAnswer>(answer).keep == run.keep);
}

void check(const StopCall& stop) {
  must_be_taken<LogNote>(log_line({Priority::kInfo, stop.reason, {}}));
}

void check(const RpcReply& reply) {
  must(reply.code <= 0);
  if (reply.code == 0) must(nlohmann::json::accept(reply.text));
}

void check_lines_of(const std::string& text) {
  must_be_taken<LogNote>(log_line({Priority::kError, text, {}}));
  must_be_taken<EventNote>(event_line({text, text, "", "", text, 1, ""}));
  must_be_taken<EventNote>(event_line({"t", "", "", "", "", -1, text}));
  must_be_taken<CounterNote>(counter_line({text, 1}));
  must_be_taken<ProgressNote>(progress_line({1, 2, text}));
  must_be_taken<RunAnswer>(result_line({Outcome::kSkipped, text, ""}));
  must_be_taken<RunAnswer>(result_line({Outcome::kFailed, text, text}));
  must_be_taken<RunAnswer>(result_line({Outcome::kOk, text, "", true}));
  must_be_taken<StartedNote>(started_line());
  must_be_taken<RpcRequest>(request_line(7, "lease.write", {"SET", text}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::visit([](const auto& saying) { check(saying); }, parse_daemon_line(text));
  check_lines_of(text);
  return 0;
}
