#include "io/redis_lease_store.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "io/printable.h"

namespace stargazer {
namespace {

// Every script takes the key, the node id and the ttl in ms, and answers {done, holder or nil, remaining ms}, where
// done is 1 when it did what its name says. PEXPIRE and SET PX answer a new ttl without asking for it again.
constexpr const char* kAcquire = R"(
local holder = redis.call('GET', KEYS[1])
if not holder then
  redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
  return {1, ARGV[1], tonumber(ARGV[2])}
end
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {1, holder, tonumber(ARGV[2])}
end
return {0, holder, redis.call('PTTL', KEYS[1])}
)";

constexpr const char* kRenew = R"(
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {1, holder, tonumber(ARGV[2])}
end
return {0, holder, redis.call('PTTL', KEYS[1])}
)";

constexpr const char* kRelease = R"(
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('DEL', KEYS[1])
  return {1, holder, 0}
end
return {0, holder, redis.call('PTTL', KEYS[1])}
)";

constexpr std::int64_t kNoTtl = -1;  // PTTL of a key that never expires

using Kind = RedisValue::Kind;

bool well_formed(const RedisValue& answer) {
  if (answer.kind != Kind::kArray || answer.elements.size() != 3) return false;
  const RedisValue& done = answer.elements[0];
  const RedisValue& holder = answer.elements[1];
  const bool has_done = done.kind == Kind::kInteger && (done.integer == 0 || done.integer == 1);
  const bool has_holder = holder.kind == Kind::kString || (holder.kind == Kind::kNil && done.integer == 0);
  return has_done && has_holder && answer.elements[2].kind == Kind::kInteger;
}

LeaseReply failed(LeaseRequestId id, std::string cause) {
  LeaseReply reply;
  reply.id = id;
  reply.cause = std::move(cause);
  return reply;
}

Duration remaining_of(std::int64_t milliseconds) {
  const std::int64_t longest = std::chrono::duration_cast<std::chrono::milliseconds>(kDurationMax).count();
  return std::chrono::milliseconds(std::clamp<std::int64_t>(milliseconds, 0, longest));
}

}  // namespace

LeaseReply lease_reply(LeaseRequestId id, const Result<RedisValue>& answer, LeaseReply::Answer success) {
  if (!answer) {
    const std::string& cause = answer.error().message();
    const bool wrong_type = cause.find("WRONGTYPE") != std::string::npos;
    return failed(id, wrong_type ? "the key holds something other than a string (WRONGTYPE)" : cause);
  }
  if (!well_formed(*answer)) return failed(id, "the server gave an answer that the script cannot give");
  const RedisValue& holder = answer->elements[1];
  const std::int64_t remaining_ms = answer->elements[2].integer;
  LeaseReply reply;
  reply.id = id;
  reply.holder = printable(holder.text, RedisLeaseStore::kHolderBytesMax);
  reply.remaining = remaining_of(remaining_ms);
  if (answer->elements[0].integer == 1) {
    reply.answer = success;
  } else if (holder.kind == Kind::kNil) {
    reply.answer = LeaseReply::Answer::kMissing;
  } else {
    reply.answer = LeaseReply::Answer::kHeld;
    if (remaining_ms == kNoTtl) reply.cause = "the holder's key never expires";
  }
  return reply;
}

RedisLeaseStore::RedisLeaseStore(Redis& redis, std::string key, std::string node_id, Duration ttl,
                                 Duration request_timeout, std::function<void(Input)> post)
    : redis_(redis),
      key_(std::move(key)),
      node_id_(std::move(node_id)),
      ttl_(ttl),
      request_timeout_(request_timeout),
      post_(std::move(post)) {
  assert(!node_id_.empty());
  assert(ttl_ >= std::chrono::milliseconds(1));
}

void RedisLeaseStore::acquire(LeaseRequestId id) {
  ask(id, kAcquire, LeaseReply::Answer::kGranted);
}

void RedisLeaseStore::renew(LeaseRequestId id) {
  ask(id, kRenew, LeaseReply::Answer::kGranted);
}

void RedisLeaseStore::release(LeaseRequestId id) {
  ask(id, kRelease, LeaseReply::Answer::kReleased);
}

void RedisLeaseStore::ask(LeaseRequestId id, const char* script, LeaseReply::Answer success) {
  const auto ttl_ms = std::chrono::duration_cast<std::chrono::milliseconds>(ttl_).count();
  const auto answered = [this, id, success](const Result<RedisValue>& answer) {
    LeaseReply reply = lease_reply(id, answer, success);
    if (!reply.cause.empty()) reply.cause = "lease key " + printable(key_, kHolderBytesMax) + ": " + reply.cause;
    post_(std::move(reply));
  };
  redis_.command({"EVAL", script, "1", key_, node_id_, std::to_string(ttl_ms)}, answered, request_timeout_);
}

}  // namespace stargazer
