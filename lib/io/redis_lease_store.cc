#include "io/redis_lease_store.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <utility>

#include <uv.h>

#include "io/fence.h"
#include "io/printable.h"

namespace stargazer {
namespace {

// Every script gets KEYS: the lease, its term; ARGV: node id, start id, ttl in ms, epoch, expected epoch, expected
// server, announcement channel, expected grants. It finds the facts out, acts on them, and answers them as they are
// then. An error that it makes itself begins with "LEASE".
//
// A server that was flushed is still the same process, so its life is named by its run id and by when the hash was
// made: else a candidate that looks before a term and after the flush would see that nothing had ever been granted.
//
// Numbers are doubles in Lua 5.1, so an epoch is at most 2^53 - 1, and leaves the script as text: "%.0f" writes it out
// where tostring would write 1e+15.
constexpr const char* kPrologue = R"(
local function fail(what, cause) return redis.error_reply('LEASE ' .. what .. ': ' .. cause) end
local epoch_max = 9007199254740991
local now = redis.pcall('TIME')
if now.err then return fail('TIME', now.err) end
local info = redis.pcall('INFO', 'server')
if type(info) == 'table' then return fail('INFO', info.err) end
local server = string.match(info, 'run_id:(%w+)') or ''
local holder = redis.pcall('GET', KEYS[1])
if type(holder) == 'table' then return fail('GET of the lease key', holder.err) end
local term = redis.pcall('HMGET', KEYS[2], 'epoch', 'holder', 'start', 'released', 'born', 'grants')
if term.err then return fail('HMGET of ' .. KEYS[2], term.err) end
local born = term[5]
if not born or #born > 16 or not string.match(born, '^%d+$') then
  born = now[1] .. string.format('%06d', now[2])
  local set = redis.pcall('HSET', KEYS[2], 'born', born)
  if type(set) == 'table' then return fail('HSET of ' .. KEYS[2], set.err) end
end
server = server .. born
local epoch = term[1] or '0'
if #epoch > 16 or not string.match(epoch, '^%d+$') or tonumber(epoch) > epoch_max then
  return fail(KEYS[2], 'its epoch is not a whole number of at most ' .. string.format('%.0f', epoch_max))
end
epoch = tonumber(epoch)
local grants = term[6] and #term[6] <= 15 and string.match(term[6], '^%d+$') and tonumber(term[6]) or 0
local own = holder == ARGV[1] and term[3] == ARGV[2] and term[4] ~= '1'
local released_by = not holder and term[4] == '1' and term[2]
local remaining = redis.call('PTTL', KEYS[1])
local claim_holds = not holder and epoch == tonumber(ARGV[5]) and server == ARGV[6] and grants == tonumber(ARGV[8])
local done = 0
-- The hash first: a lease without its epoch is worse than an epoch that nobody got.
local function take(new_epoch)
  grants = grants + 1
  redis.call('HSET', KEYS[2], 'epoch', string.format('%.0f', new_epoch), 'holder', ARGV[1], 'start', ARGV[2],
             'released', '0', 'grants', string.format('%.0f', grants))
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
  done, holder, own, epoch, remaining, released_by = 1, ARGV[1], true, new_epoch, tonumber(ARGV[3]), false
end
)";

constexpr const char* kEpilogue = R"(
return {done, holder, own and 1 or 0, string.format('%.0f', epoch), remaining, released_by, now[1], now[2], server,
        string.format('%.0f', grants)}
)";

constexpr const char* kObserve = "";

constexpr const char* kAcquire = R"(
if claim_holds then
  local new_epoch = math.max(tonumber(ARGV[4]), epoch + 1)
  if new_epoch > epoch_max then return fail(KEYS[2], 'no epoch is left above ' .. string.format('%.0f', epoch)) end
  take(new_epoch)
end
)";

// A key of ours under another epoch is that of a store that went back in time: not the term that is asked about.
constexpr const char* kRenew = R"(
if own and epoch == tonumber(ARGV[4]) then
  grants = grants + 1
  redis.call('HSET', KEYS[2], 'grants', string.format('%.0f', grants))
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  done, remaining = 1, tonumber(ARGV[3])
end
)";

constexpr const char* kRecreate = R"(
if claim_holds and epoch <= tonumber(ARGV[4]) then
  if tonumber(ARGV[4]) > epoch_max then return fail(KEYS[2], 'the epoch is too large') end
  take(tonumber(ARGV[4]))
end
)";

// The word is left after the key is gone, so that a failure in between makes others wait and not hurry. That nobody
// may announce it is no reason to keep it.
constexpr const char* kRelease = R"(
if own then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[2], 'released', '1')
  redis.pcall('PUBLISH', ARGV[7], ARGV[1])
  done, holder, own, remaining, released_by = 1, false, false, -2, ARGV[1]
end
)";

// Where what the epilogue answers is found.
enum Place : std::uint8_t {
  kDone,
  kHolder,
  kOwn,
  kEpoch,
  kRemaining,
  kReleasedBy,
  kSeconds,
  kMicroseconds,
  kServer,
  kGrants,
  kPlaces
};

constexpr std::uint64_t kEpochMax = (std::uint64_t{1} << 53U) - 1;
constexpr std::uint64_t kSecondsMax = 7'258'118'400;  // the year 2200, which nanoseconds since 1970 can still hold
constexpr std::size_t kServerBytesMax = 64;
constexpr std::int64_t kNoTtl = -1;  // PTTL of a key that never expires

using Kind = RedisValue::Kind;
using Answer = LeaseReply::Answer;

bool is_bit(const RedisValue& value) {
  return value.kind == Kind::kInteger && (value.integer == 0 || value.integer == 1);
}

bool is_text_or_nil(const RedisValue& value) {
  return value.kind == Kind::kString || value.kind == Kind::kNil;
}

// A whole number of digits only, at most `max`.
bool read_number(const RedisValue& value, std::uint64_t max, std::uint64_t* number) {
  if (value.kind != Kind::kString || value.text.empty() || value.text.front() < '0' || value.text.front() > '9') {
    return false;
  }
  const char* end = value.text.data() + value.text.size();
  const auto [stopped, error] = std::from_chars(value.text.data(), end, *number);
  return error == std::errc() && stopped == end && *number <= max;
}

bool is_server_id(const RedisValue& value) {
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  return value.kind == Kind::kString && !value.text.empty() && value.text.size() <= kServerBytesMax &&
         std::all_of(value.text.begin(), value.text.end(), allowed);
}

Duration remaining_of(std::int64_t milliseconds) {
  if (milliseconds == kNoTtl) return kDurationMax;
  const std::int64_t longest = std::chrono::duration_cast<std::chrono::milliseconds>(kDurationMax).count();
  return std::chrono::milliseconds(std::clamp<std::int64_t>(milliseconds, 0, longest));
}

// Fills in the facts. False when no script of ours answers like this.
bool read_facts(const RedisValue& answer, LeaseFacts* facts) {
  if (answer.kind != Kind::kArray || answer.elements.size() != kPlaces) return false;
  const std::vector<RedisValue>& found = answer.elements;
  const bool well_formed = is_bit(found[kDone]) && is_text_or_nil(found[kHolder]) && is_bit(found[kOwn]) &&
                           found[kRemaining].kind == Kind::kInteger && is_text_or_nil(found[kReleasedBy]) &&
                           is_server_id(found[kServer]);
  std::uint64_t seconds = 0;
  std::uint64_t microseconds = 0;
  const bool numbers =
      read_number(found[kEpoch], kEpochMax, &facts->epoch) && read_number(found[kGrants], kEpochMax, &facts->grants) &&
      read_number(found[kSeconds], kSecondsMax, &seconds) && read_number(found[kMicroseconds], 999'999, &microseconds);
  if (!well_formed || !numbers) return false;
  facts->holder = printable(found[kHolder].text, RedisLeaseStore::kHolderBytesMax);
  facts->own = found[kOwn].integer == 1;
  facts->remaining = remaining_of(found[kRemaining].integer);
  facts->released_by = printable(found[kReleasedBy].text, RedisLeaseStore::kHolderBytesMax);
  facts->store_time = std::chrono::seconds(seconds) + std::chrono::microseconds(microseconds);
  facts->server = found[kServer].text;
  const bool is_held = found[kHolder].kind == Kind::kString;
  return is_held || !facts->own;
}

// What an action that was carried out must have left behind.
bool fits(Answer done, const LeaseFacts& facts) {
  return done == Answer::kReleased ? facts.holder.empty() : done == Answer::kGranted && facts.own;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string cause_of(const std::string& message) {
  // Redis before 7.2 says the second, later versions the first and the third.
  if (contains(message, "NOPERM") || contains(message, "The user executing the script can't") ||
      contains(message, "ACL failure")) {
    return printable(message, RedisLeaseStore::kHolderBytesMax) +
           "; the ACL of the Redis user must allow the commands EVAL, INFO, TIME, GET, SET, DEL, PTTL, PEXPIRE, HMGET, "
           "HSET, PUBLISH, and WAIT when lease.replicas is not 0, and lease.key with everything that begins like it";
  }
  constexpr std::string_view kOurs = "LEASE ";
  return message.rfind(kOurs, 0) == 0 ? message.substr(kOurs.size()) : message;
}

LeaseReply failed(LeaseRequestId id, std::string cause) {
  LeaseReply reply;
  reply.id = id;
  reply.cause = std::move(cause);
  return reply;
}

// The answer of WAIT to a grant that was written.
LeaseReply after_wait(LeaseReply granted, const Result<RedisValue>& answer, std::uint32_t replicas) {
  if (!answer)
    return failed(granted.id, "written, but not known to be replicated: WAIT: " + cause_of(answer.error().message()));
  if (answer->kind != Kind::kInteger || answer->integer < 0) {
    return failed(granted.id, "written, but the server gave an answer that WAIT cannot give");
  }
  if (answer->integer >= static_cast<std::int64_t>(replicas)) return granted;
  return failed(granted.id, "written, but only " + std::to_string(answer->integer) + " of " + std::to_string(replicas) +
                                " replicas confirmed it");
}

Duration since(std::uint64_t hrtime) {
  return Duration(static_cast<Duration::rep>(uv_hrtime() - hrtime));
}

}  // namespace

LeaseReply lease_reply(LeaseRequestId id, const Result<RedisValue>& answer, LeaseReply::Answer done) {
  if (!answer) return failed(id, cause_of(answer.error().message()));
  LeaseReply reply;
  reply.id = id;
  if (!read_facts(*answer, &reply.facts)) return failed(id, "the server gave an answer that the script cannot give");
  const bool is_held = answer->elements[kHolder].kind == Kind::kString;
  const bool is_done = answer->elements[kDone].integer == 1;
  if (is_done && !fits(done, reply.facts)) return failed(id, "the server gave an answer that the script cannot give");
  if (is_held && reply.facts.holder.empty()) return failed(id, "the key holds an empty text, which names no node");
  reply.answer = is_done ? done : is_held ? Answer::kHeld : Answer::kFree;
  return reply;
}

RedisLeaseStore::RedisLeaseStore(Redis& redis, Options options, std::function<void(Input)> post)
    : redis_(redis), options_(std::move(options)), post_(std::move(post)) {
  assert(!options_.node_id.empty());
  assert(options_.ttl >= std::chrono::milliseconds(1));
}

void RedisLeaseStore::observe(LeaseRequestId id) {
  ask(id, kObserve, Answer::kFailed, {});
}

void RedisLeaseStore::acquire(LeaseRequestId id, const LeaseClaim& claim) {
  ask(id, kAcquire, Answer::kGranted, claim);
}

void RedisLeaseStore::renew(LeaseRequestId id, std::uint64_t epoch) {
  ask(id, kRenew, Answer::kGranted, {0, 0, "", epoch});
}

void RedisLeaseStore::recreate(LeaseRequestId id, const LeaseClaim& claim) {
  ask(id, kRecreate, Answer::kGranted, claim);
}

void RedisLeaseStore::release(LeaseRequestId id) {
  ask(id, kRelease, Answer::kReleased, {});
}

void RedisLeaseStore::ask(LeaseRequestId id, const char* action, Answer done, const LeaseClaim& claim) {
  const std::uint64_t sent_at = uv_hrtime();
  const auto answered = [this, id, done, sent_at](const Result<RedisValue>& answer) {
    LeaseReply reply = lease_reply(id, answer, done);
    if (reply.answer != Answer::kGranted || options_.replicas == 0) return tell(std::move(reply));
    wait_for_replicas(std::move(reply), sent_at);
  };
  redis_.command(script(action, claim), answered, options_.request_timeout);
}

std::vector<std::string> RedisLeaseStore::script(const char* action, const LeaseClaim& claim) const {
  const auto ttl_ms = std::chrono::duration_cast<std::chrono::milliseconds>(options_.ttl).count();
  return {"EVAL",
          std::string(kPrologue) + action + kEpilogue,
          "2",
          options_.key,
          term_key(options_.key),
          options_.node_id,
          options_.start_id,
          std::to_string(ttl_ms),
          std::to_string(claim.epoch),
          std::to_string(claim.expected_epoch),
          claim.expected_server,
          announcement_channel(options_.key),
          std::to_string(claim.expected_grants)};
}

// Half of what is left of the request's time, so that the server's answer comes before our deadline: a connection whose
// deadline passes is lost.
void RedisLeaseStore::wait_for_replicas(LeaseReply granted, std::uint64_t sent_at) {
  constexpr Duration kShortest = std::chrono::milliseconds(2);
  const Duration left = std::max(options_.request_timeout - since(sent_at), kShortest);
  const auto wait_ms = std::chrono::duration_cast<std::chrono::milliseconds>(left / 2).count();
  const auto answered = [this, granted = std::move(granted)](const Result<RedisValue>& answer) {
    tell(after_wait(granted, answer, options_.replicas));
  };
  redis_.command({"WAIT", std::to_string(options_.replicas), std::to_string(wait_ms)}, answered, left);
}

void RedisLeaseStore::tell(LeaseReply reply) {
  if (!reply.cause.empty()) reply.cause = "lease key " + printable(options_.key, kHolderBytesMax) + ": " + reply.cause;
  post_(std::move(reply));
}

void RedisLeaseStore::verify(bool leader, std::uint64_t epoch, std::function<void(Status)> answered) {
  if (!leader) return answered(Error("not flagged leader"));
  const auto looked = [answered = std::move(answered), epoch](const Result<RedisValue>& answer) {
    const LeaseReply reply = lease_reply(0, answer, Answer::kFailed);
    if (reply.answer == Answer::kFailed) return answered(Error("the lease cannot be verified: " + reply.cause));
    if (reply.answer == Answer::kFree) return answered(Error("lease expired"));
    const bool current = reply.facts.own && reply.facts.epoch == epoch;
    answered(current ? Status() : Error("lease lost to " + reply.facts.holder));
  };
  redis_.command(script(kObserve, {}), looked, options_.request_timeout);
}

}  // namespace stargazer
