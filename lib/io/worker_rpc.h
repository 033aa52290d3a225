// What a worker says on its fd 3, and what it is answered: JSON-RPC 2.0, one object a line (DESIGN section 4,
// https://www.jsonrpc.org/specification). No batches: a worker that wants several things writes several lines.
//
//   {"jsonrpc":"2.0","id":1,"method":"lease.verify"}
//   {"jsonrpc":"2.0","id":1,"result":{"epoch":1795430001}}
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace stargazer {

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

struct RpcRequest {
  std::string id;  // as JSON; "" for a notification, which is not answered
  std::string method;
  std::vector<std::string> params;  // strings by position; any other kind of parameter is refused
};

// Longer lines are refused.
inline constexpr std::size_t kRpcLineBytesMax = 1UL << 20;

// Reads one line, whatever its bytes. When it is no request, the error's message is the answer to be sent.
Result<RpcRequest> parse_rpc(std::string_view line);

// Answers, without the newline. `result` is JSON.
std::string rpc_result(const RpcRequest& request, std::string_view result);
std::string rpc_error(std::string_view id, RpcError code, std::string_view message);

}  // namespace stargazer
