// The leader lease as a key in Redis: the LeaseStore of the daemon (SPEC section 3).
//
// The key holds the node id, byte for byte, and lives for `ttl`: the same as what `SET key node NX EX 30` and the
// compare-and-expire script of the source leave behind, so that both kinds of node can contend for one key. Each
// request is one script, which decides and answers what it found; nothing can happen in between.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/seams.h"
#include "io/redis.h"

namespace stargazer {

class RedisLeaseStore final : public LeaseStore {
 public:
  // More of a holder's name than this is not shown. What Redis compares is always the whole.
  static constexpr std::size_t kHolderBytesMax = 256;

  // `redis` must outlive the store; the store must live until redis has been closed. Replies reach `post` from the
  // loop, never from inside a request; none comes after `redis` has been closed. Each request ends within
  // `request_timeout`. REQUIRES: node_id is not empty; ttl is at least 1 ms and counts whole milliseconds.
  RedisLeaseStore(Redis& redis, std::string key, std::string node_id, Duration ttl, Duration request_timeout,
                  std::function<void(Input)> post);

  // Answers kGranted, kHeld or kFailed.
  void acquire(LeaseRequestId id) override;

  // Answers kGranted, kHeld, kMissing or kFailed.
  void renew(LeaseRequestId id) override;

  // Answers kReleased, kHeld, kMissing (nothing was left to release) or kFailed.
  void release(LeaseRequestId id) override;

 private:
  void ask(LeaseRequestId id, const char* script, LeaseReply::Answer success);

  Redis& redis_;
  std::string key_;
  std::string node_id_;
  Duration ttl_;
  Duration request_timeout_;
  std::function<void(Input)> post_;
};

// What a script's answer means; `success` is what its first element 1 stands for. A holder whose key never expires
// has `remaining` 0 and a cause that says so. Anything that no script of ours answers is kFailed.
LeaseReply lease_reply(LeaseRequestId id, const Result<RedisValue>& answer, LeaseReply::Answer success);

}  // namespace stargazer
