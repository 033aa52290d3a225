// Whatever a server answers to a script of the lease or to a question for the master: facts within their limits, or a
// failure with a cause.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "io/redis_lease_store.h"
#include "io/redis_reply.h"
#include "io/sentinel.h"

namespace {

using namespace stargazer;
using Answer = LeaseReply::Answer;

bool is_printable(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

void check(const LeaseReply& reply, Answer done) {
  if (reply.answer == Answer::kFailed) return reply.cause.empty() ? std::abort() : void();
  if ((reply.answer == Answer::kGranted || reply.answer == Answer::kReleased) && reply.answer != done) std::abort();
  const LeaseFacts& facts = reply.facts;
  if (facts.epoch >= (std::uint64_t{1} << 53U) || facts.remaining < Duration::zero()) std::abort();
  if (facts.remaining > kDurationMax || facts.store_time < Duration::zero()) std::abort();
  if (facts.holder.empty() != (reply.answer == Answer::kFree || reply.answer == Answer::kReleased)) std::abort();
  if (facts.own && facts.holder.empty()) std::abort();
  if (facts.server.empty() || !is_printable(facts.server)) std::abort();
  // Each byte may have become "\\xNN", and "…" may follow.
  constexpr std::size_t kShownBytesMax = RedisLeaseStore::kHolderBytesMax * 4 + 3;
  if (facts.holder.size() > kShownBytesMax || facts.released_by.size() > kShownBytesMax) std::abort();
}

}  // namespace

// The first byte chooses what was asked.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  RedisReplyReader reader;
  if (!reader.feed({reinterpret_cast<const char*>(data) + 1, size - 1}).ok()) return 0;
  const auto value = reader.next();
  if (!value.ok() || !value->has_value()) return 0;
  const Answer done = data[0] % 3 == 0 ? Answer::kGranted : data[0] % 3 == 1 ? Answer::kReleased : Answer::kFailed;
  check(lease_reply(1, **value, done), done);
  const auto master = master_answer("m", **value);
  if (master.ok() && (!is_host(master->host) || master->port < 1 || master->port > 65535)) std::abort();
  static_cast<void>(check_role(**value));
  return 0;
}
