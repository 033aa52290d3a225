// What a worker and the daemon say to each other on fd 3: JSON-RPC 2.0, one object a line (docs/workers.md,
// https://www.jsonrpc.org/specification). No batches: who wants several things writes several lines.
//
//   daemon  {"jsonrpc":"2.0","id":1,"method":"run","params":{"protocol":1,"task":"report",…}}
//   worker  {"jsonrpc":"2.0","method":"progress","params":{"done":3,"total":10}}
//   worker  {"jsonrpc":"2.0","id":1,"method":"lease.verify"}
//   daemon  {"jsonrpc":"2.0","id":1,"result":{"epoch":1795430001}}
//   worker  {"jsonrpc":"2.0","id":1,"result":{"status":"ok"}}
//
// Each side counts its own ids, so the two above are different things. A process that is kept (core/warm_pool.h) is
// told `run` again after its result, each time with the next id, and says `started` before it begins with it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/event.h"
#include "io/log.h"

namespace stargazer {

inline constexpr int kRpcProtocol = 1;

// The standard's codes, and ours from -32000 down, one for each thing that a worker would handle differently.
enum class RpcError : int {
  kParse = -32700,
  kInvalidRequest = -32600,
  kMethodNotFound = -32601,
  kInvalidParams = -32602,
  kNotLeader = -32001,  // the source's three failures of a check (SPEC section 3)
  kLeaseExpired = -32002,
  kLeaseLost = -32003,
  kFenced = -32004,       // a write in the name of a term that is not the current one
  kUnavailable = -32005,  // Redis could not be asked
  kTooManyRequests = -32006,
};

// A request for the lease.
struct RpcRequest {
  std::string id;  // as JSON; "" for a notification, which is not answered
  std::string method;
  std::vector<std::string> params;  // strings by position; any other kind of parameter is refused
};

// "log": a line for the journal.
struct LogNote {
  static constexpr std::size_t kFieldsMax = 16;
  static constexpr std::size_t kMessageBytesMax = 16384;  // a longer one is cut, with a mark
  static constexpr std::size_t kFieldBytesMax = 4096;     // likewise
  Priority priority = Priority::kInfo;
  std::string message;
  std::vector<std::pair<std::string, std::string>> fields;  // names as the journal wants them, none of the daemon's own
};

// "event": for the event sink (SPEC section 6), which bounds its texts.
struct EventNote {
  std::string event_type;  // 1 to 256 bytes
  std::string source;      // "" = not given
  std::string phase;
  std::string status;
  std::string preview;
  double duration_ms = -1;  // -1 = not given: since the start of the run
  std::string payload;      // JSON
};

// "counter": adds to a sum that is kept for the run.
struct CounterNote {
  std::string name;  // [A-Za-z0-9_.-], 1 to 128 of them
  double value = 1;
};

// "progress".
struct ProgressNote {
  static constexpr std::size_t kMessageBytesMax = 512;
  double done = 0;
  double total = 0;
  std::string message;
};

// "started": the worker begins with the run. One that has not said so, nor anything else, has done nothing yet.
struct StartedNote {};

// The answer to "run".
struct RunAnswer {
  static constexpr std::size_t kMessageBytesMax = 4096;
  Outcome outcome = Outcome::kOk;  // kOk, kSkipped or kFailed
  std::string message;
  std::string error;  // at most 256 bytes
  bool keep = false;  // the process could have another run: never of kFailed
};

// What is none of these.
struct RpcRefusal {
  std::string why;
  std::string answer;  // a line to send; "" for a notification and for a bad answer, which are not answered
};

using WorkerSaying =
    std::variant<RpcRequest, LogNote, EventNote, CounterNote, ProgressNote, StartedNote, RunAnswer, RpcRefusal>;

// Longer lines are refused.
inline constexpr std::size_t kRpcLineBytesMax = 1UL << 20;
// So are objects and arrays that lie deeper in each other.
inline constexpr int kRpcDepthMax = 64;

// The id of "run", the only request of the daemon's, in a process that has just been started.
inline constexpr std::uint32_t kRunRequestId = 1;

// Reads one line, whatever its bytes. Never fails: what cannot be understood is a refusal. So is the answer to another
// `run` than that of `run_request_id`.
WorkerSaying parse_rpc(std::string_view line, std::uint32_t run_request_id = kRunRequestId);

// Lines to send, without the newline. `result` and `params` are JSON.
std::string rpc_result(const RpcRequest& request, std::string_view result);
std::string rpc_error(std::string_view id, RpcError code, std::string_view message);
std::string rpc_run(std::string_view params, std::uint32_t id = kRunRequestId);
std::string rpc_stop(std::string_view reason);

}  // namespace stargazer
