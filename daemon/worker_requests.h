// What workers ask of the daemon on their fd 3: whether their term still holds, and writes that are made only while it
// does (SPEC section 3, LEASE.md rule 11; docs/workers.md tells how a worker uses it).
//
//   lease.verify                      {"epoch": N}, or one of the source's three failures
//   lease.write COMMAND ARGUMENT…     the reply of Redis, or "fenced" when another term is the current one
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "io/redis.h"
#include "io/redis_lease_store.h"
#include "io/worker_rpc.h"

namespace stargazer {

class WorkerRequests {
 public:
  // More than this of one run at once are refused.
  static constexpr int kInFlightMax = 16;

  struct Options {
    std::string lease_key;
    std::string node_id;
  };
  struct Callbacks {
    std::function<bool()> leader;
    // Of the term in whose name the run was started; 0 when it is no worker of the lease.
    std::function<std::uint64_t(RunId run)> epoch_of;
    // Sends a line to a run, if it is still there.
    std::function<void(RunId run, const std::string& line)> answer;
  };

  // Both are null without [redis], and must otherwise outlive the object, which must live until they are closed.
  WorkerRequests(Redis* redis, RedisLeaseStore* store, Options options, Callbacks callbacks);

  // Every request is answered once, sooner or later. False when there is no such method.
  bool take(RunId run, const RpcRequest& request);

 private:
  void verify(RunId run, const RpcRequest& request);
  void write(RunId run, const RpcRequest& request);
  void finish(RunId run, const RpcRequest& request, const std::string& line);
  void refuse(RunId run, const RpcRequest& request, RpcError code, std::string_view message);
  std::string obstacle(const std::vector<std::string>& command) const;

  Redis* redis_;
  RedisLeaseStore* store_;
  const Options options_;
  const Callbacks callbacks_;
  std::map<RunId, int> in_flight_;
};

// The reply of Redis as JSON: a number, a string, null, or an array of those. Bytes that are not UTF-8 are replaced.
std::string json_of(const RedisValue& value);

}  // namespace stargazer
