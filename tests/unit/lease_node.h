// A node that contends for the lease in a real Redis, with a connection of its own.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "io/fence.h"
#include "io/redis_lease_store.h"
#include "support/redis_client.h"
#include "unit/catch.h"

namespace stargazer::testing {

inline const std::string kLeaseKey = "sg:leader:supervisor";
inline const std::string kTermKey = kLeaseKey + ":term";

class LeaseNode {
 public:
  LeaseNode(Loop& loop, const RedisTarget& target, const std::string& id, Duration ttl = std::chrono::seconds(30),
            std::uint32_t replicas = 0, Duration request_timeout = std::chrono::seconds(20))
      : LeaseNode(loop, target, {kLeaseKey, id, id + "-start", ttl, request_timeout, replicas}) {}

  LeaseNode(Loop& loop, const RedisTarget& target, RedisLeaseStore::Options options)
      : loop_(loop), client(loop, target), store(client.redis, std::move(options), [this](const Input& input) {
          replies.push_back(std::get<LeaseReply>(input));
        }) {
    client.wait_until_reachable();
  }

  LeaseReply observe() {
    store.observe(++last_id_);
    return answer();
  }
  LeaseReply acquire(const LeaseClaim& claim) {
    store.acquire(++last_id_, claim);
    return answer();
  }
  // On what is the case now.
  LeaseReply acquire(std::uint64_t epoch_min = 0) { return acquire(claim(epoch_min)); }
  LeaseReply renew(std::uint64_t epoch) {
    store.renew(++last_id_, epoch);
    return answer();
  }
  LeaseReply recreate(const LeaseClaim& claim) {
    store.recreate(++last_id_, claim);
    return answer();
  }
  LeaseReply release() {
    store.release(++last_id_);
    return answer();
  }
  Status verify(bool leader, std::uint64_t epoch) {
    std::optional<Status> verdict;
    store.verify(leader, epoch, [&](Status status) { verdict = std::move(status); });
    loop_.run_until([&] { return verdict.has_value(); });
    return *verdict;
  }

  LeaseClaim claim(std::uint64_t epoch) {
    const LeaseReply seen = observe();
    return {seen.facts.epoch, seen.facts.grants, seen.facts.server, epoch};
  }

  // What is in Redis, as an operator would look it up.
  std::string field(const std::string& name) { return client.ask({"HGET", kTermKey, name})->text; }

 private:
  LeaseReply answer() {
    const std::size_t before = replies.size();
    loop_.run_until([&] { return replies.size() > before; });
    REQUIRE(replies.size() == before + 1);
    CHECK(replies.back().id == last_id_);
    return replies.back();
  }

  Loop& loop_;
  LeaseRequestId last_id_ = 0;

 public:
  RedisClient client;
  RedisLeaseStore store;
  std::vector<LeaseReply> replies;
};

}  // namespace stargazer::testing
