// The worker's side of io/worker_rpc.h: what the daemon says on fd 3, and the lines that a worker of ours answers with.
//
// Tolerant of the daemon, which may be newer: what is not understood is passed over. Strict with the job, so that the
// daemon never has to refuse what a line of ours says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/result.h"
#include "io/worker_rpc.h"

namespace stargazer {

// "run". A member that is absent or of another kind has its default.
struct RunCall {
  std::uint32_t id = kRunRequestId;  // of the request; of the result too
  int protocol = 0;
  std::string task;
  std::string run_id;
  std::uint32_t attempt = 1;
  std::string job;           // of a plugin: which of its jobs; "" = the daemon does not say
  bool keep = false;         // the process may be given another run after this one
  double timeout_s = 0;      // 0 = none
  double deadline = 0;       // since 1970; 0 = none
  bool of_lease = false;     // `lease` is there
  std::uint64_t epoch = 0;   // its token; 0 = none
  std::string params{"{}"};  // all of them: a JSON object on one line
};

// "stop".
struct StopCall {
  std::string reason;
};

// The answer to a request of the worker's.
struct RpcReply {
  std::int64_t id = 0;
  int code = 0;      // of an error; 0 = it is a result
  std::string text;  // the result as JSON, or the error's message
};

// Anything else.
struct NotUnderstood {};

using DaemonSaying = std::variant<NotUnderstood, RunCall, StopCall, RpcReply>;

// Reads one line, whatever its bytes.
DaemonSaying parse_daemon_line(std::string_view line);

// ---- Lines to send, without the newline ----
// Bytes that are not UTF-8 are replaced. Texts that are longer than the daemon takes are shortened to a little more
// than that, so that it marks where it cuts them.

std::string log_line(const LogNote& note);  // without its fields
// Fails when event_type is empty or `payload` is not JSON of the allowed size and depth. "" stands for "{}".
Result<std::string> event_line(const EventNote& note);
// Fails when the name or the value is not allowed.
Result<std::string> counter_line(const CounterNote& note);
// Fails when a number is negative or not finite.
Result<std::string> progress_line(const ProgressNote& note);
std::string started_line();
std::string result_line(const RunAnswer& answer, std::uint32_t id = kRunRequestId);
// Fails when a parameter is not UTF-8, or all of them are too long for a line.
Result<std::string> request_line(std::int64_t id, const std::string& method, const std::vector<std::string>& params);

// Of an event; the sink's limit is the same.
inline constexpr std::size_t kPayloadBytesMax = std::size_t{64} * 1024;
// Less than kRpcDepthMax, as a payload lies within a message.
inline constexpr int kPayloadDepthMax = 60;

}  // namespace stargazer
