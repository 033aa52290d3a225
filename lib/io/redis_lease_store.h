// The leader lease as a key in Redis: the LeaseStore of the daemon (SPEC section 3).
//
// The lease key holds the node id, byte for byte, and lives for `ttl`: the same as what `SET key node NX EX 30` and the
// compare-and-expire script of the source leave behind, so that both kinds of node can contend for one key. What the
// source does not know lies beside it, in the hash term_key(key) (io/fence.h), which never expires:
//
//   epoch     the last one granted
//   holder    the node id of that term
//   start     unique to that start of that node: two nodes with one id, or one that was started anew, are not the same
//   released  1 once that term was given up in order
//   born      when the hash was made, in microseconds since 1970: with the server's run id, LeaseFacts::server
//
// Each request is one script, which decides, acts and answers the facts; nothing can happen in between. A release is
// announced on announcement_channel(key) by the same script.
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

  struct Options {
    std::string key;
    std::string node_id;   // not empty
    std::string start_id;  // unique to this start of the process
    Duration ttl{};        // at least 1 ms, in whole milliseconds
    Duration request_timeout{};
    // A grant is answered only once so many replicas have confirmed it (WAIT(1)), for at most half of request_timeout;
    // when fewer have, the answer is kFailed and says how many. 0 = nothing is asked.
    std::uint32_t replicas = 0;
  };

  // `redis` must outlive the store; the store must live until redis has been closed. Replies reach `post` from the
  // loop, never from inside a request; none comes after `redis` has been closed. Each request ends within
  // Options::request_timeout.
  RedisLeaseStore(Redis& redis, Options options, std::function<void(Input)> post);

  void observe(LeaseRequestId id) override;
  void acquire(LeaseRequestId id, const LeaseClaim& claim) override;
  void renew(LeaseRequestId id, std::uint64_t epoch) override;
  void recreate(LeaseRequestId id, const LeaseClaim& claim) override;
  void release(LeaseRequestId id) override;

  // What a job asks before a destructive act (SPEC section 3). `answered` is called once, with success, or with the
  // error "not flagged leader", "lease expired" or "lease lost to HOLDER", or with another one when Redis cannot be
  // asked. `epoch` is the asker's; `leader` says whether the core counts this node as leader now. When it does not,
  // `answered` is called before verify returns, otherwise from the loop.
  void verify(bool leader, std::uint64_t epoch, std::function<void(Status)> answered);

 private:
  void ask(LeaseRequestId id, const char* action, LeaseReply::Answer done, const LeaseClaim& claim);
  std::vector<std::string> script(const char* action, const LeaseClaim& claim) const;
  void wait_for_replicas(LeaseReply granted, std::uint64_t sent_at);
  void tell(LeaseReply reply);

  Redis& redis_;
  const Options options_;
  std::function<void(Input)> post_;
};

// What a script's answer means; `done` is what it stands for that the script did what its name says. Anything that no
// script of ours answers is kFailed.
LeaseReply lease_reply(LeaseRequestId id, const Result<RedisValue>& answer, LeaseReply::Answer done);

}  // namespace stargazer
