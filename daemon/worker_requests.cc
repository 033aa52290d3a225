#include "daemon/worker_requests.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include <nlohmann/json.hpp>

#include "io/fence.h"

namespace stargazer {
namespace {

// Writes whose every effect is on the keys they name. A worker that needs another asks for it here, not for EVAL.
constexpr std::array<std::string_view, 18> kWrites{"PUBLISH", "XADD",  "XTRIM", "SET",    "APPEND",  "INCRBY",
                                                   "HSET",    "HDEL",  "SADD",  "SREM",   "ZADD",    "ZREM",
                                                   "LPUSH",   "RPUSH", "LTRIM", "EXPIRE", "PEXPIRE", "DEL"};

std::string in_capitals(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
  return text;
}

RpcError code_of(const Error& error) {
  const std::string& message = error.message();
  if (message == "not flagged leader") return RpcError::kNotLeader;
  if (message == "lease expired") return RpcError::kLeaseExpired;
  if (message.starts_with("lease lost to ")) return RpcError::kLeaseLost;
  return refused_by_fence(error) ? RpcError::kFenced : RpcError::kUnavailable;
}

nlohmann::json to_json(const RedisValue& value) {
  switch (value.kind) {
    case RedisValue::Kind::kNil: return nullptr;
    case RedisValue::Kind::kInteger: return value.integer;
    case RedisValue::Kind::kString:
    case RedisValue::Kind::kError: return value.text;
    case RedisValue::Kind::kArray: break;
  }
  nlohmann::json elements = nlohmann::json::array();
  for (const RedisValue& element : value.elements) elements.push_back(to_json(element));
  return elements;
}

}  // namespace

std::string json_of(const RedisValue& value) {
  return to_json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

WorkerRequests::WorkerRequests(Redis* redis, RedisLeaseStore* store, Options options, Callbacks callbacks)
    : redis_(redis), store_(store), options_(std::move(options)), callbacks_(std::move(callbacks)) {}

bool WorkerRequests::take(RunId run, const RpcRequest& request) {
  if (request.method != "lease.verify" && request.method != "lease.write") return false;
  int& in_flight = in_flight_[run];
  ++in_flight;
  if (in_flight > kInFlightMax) {
    refuse(run, request, RpcError::kTooManyRequests, "too many requests at once: wait for answers");
  } else if (request.method == "lease.verify") {
    verify(run, request);
  } else {
    write(run, request);
  }
  return true;
}

void WorkerRequests::verify(RunId run, const RpcRequest& request) {
  const std::uint64_t epoch = callbacks_.epoch_of(run);
  const bool leader = callbacks_.leader() && (epoch != 0 || store_ == nullptr);
  const std::string held = R"({"epoch":)" + std::to_string(epoch) + "}";
  if (store_ == nullptr) {  // standalone: leader for as long as it lives
    finish(run, request, rpc_result(request, held));
    return;
  }
  store_->verify(leader, epoch, [this, run, request, held](const Status& verified) {
    if (verified.ok()) {
      finish(run, request, rpc_result(request, held));
    } else {
      refuse(run, request, code_of(verified.error()), verified.error().message());
    }
  });
}

void WorkerRequests::write(RunId run, const RpcRequest& request) {
  if (const std::string problem = obstacle(request.params); !problem.empty()) {
    refuse(run, request, RpcError::kInvalidParams, problem);
    return;
  }
  const std::uint64_t epoch = callbacks_.epoch_of(run);
  if (redis_ == nullptr || epoch == 0) {
    refuse(run, request, RpcError::kNotLeader, redis_ == nullptr ? "there is no Redis" : "not flagged leader");
    return;
  }
  const Fence fence{options_.lease_key, options_.node_id, epoch};
  redis_->command(fenced_command(fence, request.params), [this, run, request](const Result<RedisValue>& reply) {
    if (reply.ok()) {
      finish(run, request, rpc_result(request, json_of(*reply)));
    } else {
      refuse(run, request, code_of(reply.error()), reply.error().message());
    }
  });
}

std::string WorkerRequests::obstacle(const std::vector<std::string>& command) const {
  if (command.empty()) return "params must name a command";
  if (std::find(kWrites.begin(), kWrites.end(), in_capitals(command[0])) == kWrites.end()) {
    std::string allowed;
    for (const std::string_view write : kWrites) allowed.append(allowed.empty() ? "" : ", ").append(write);
    return "the command must be one of " + allowed;
  }
  const auto names_the_lease = [this](const std::string& argument) {
    return argument == options_.lease_key || argument == term_key(options_.lease_key);
  };
  const bool own = std::any_of(command.begin() + 1, command.end(), names_the_lease);
  return own ? "the keys of the lease are not for workers" : "";
}

void WorkerRequests::finish(RunId run, const RpcRequest& request, const std::string& line) {
  const auto place = in_flight_.find(run);
  if (place != in_flight_.end() && --place->second == 0) in_flight_.erase(place);
  if (!request.id.empty()) callbacks_.answer(run, line);
}

void WorkerRequests::refuse(RunId run, const RpcRequest& request, RpcError code, std::string_view message) {
  finish(run, request, rpc_error(request.id, code, message));
}

}  // namespace stargazer
