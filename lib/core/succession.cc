#include "core/succession.h"

#include <algorithm>
#include <utility>

namespace stargazer {
namespace {

// The store's clock and what remains of the key are read in one script, but not quite in one instant.
constexpr Duration kExpiryReadWithin = std::chrono::milliseconds(20);

// On the store's clock. The same for as long as the same grant is in force, however that clock is set.
Duration expiry_of(const LeaseFacts& facts) {
  return facts.remaining == kDurationMax ? kDurationMax : facts.store_time + facts.remaining;
}

}  // namespace

Succession::Succession(Duration ttl, Duration outlived, bool alone, LeaseMemory remembered, const LeaseRules& rules)
    : ttl_(ttl), outlived_(outlived), alone_(alone), rules_(rules), memory_(std::move(remembered)) {}

void Succession::observe(const LeaseFacts& facts, Instant received_at) {
  judge_grant(facts, received_at);
  judge_store(facts, received_at);
  if (facts.holder.empty()) judge_end(facts);
  memory_.epoch = std::max(memory_.epoch, facts.epoch);
  memory_.server = facts.server;
  facts_ = facts;
  has_facts_ = true;
}

// Another life of the store, or a count that fell, says that what it holds may be older than what was granted.
void Succession::judge_store(const LeaseFacts& facts, Instant now) {
  const char* doubt = nullptr;
  if (!has_facts_) {
    knows_the_store_ = facts.server == memory_.server && facts.epoch >= memory_.epoch;
    if (knows_the_store_ || !rules_.hold_off_at_first_contact) return;
    doubt = "what happened to the lease before this first contact is not known";
  } else if (!rules_.hold_off_at_data_loss) {
    return;
  } else if (facts.server != memory_.server) {
    doubt = "Redis has been restarted or replaced and may have lost the last term";
  } else if (facts.epoch < facts_.epoch || facts.grants < facts_.grants) {
    doubt = "Redis has lost the lease's data";
  }
  if (doubt == nullptr) return;
  store_doubted_until_ = now + ttl_;
  doubted_epoch_ = facts.epoch;
  reason_ = doubt;
}

// Looking again at the same grant changes nothing about when it was first seen.
void Succession::judge_grant(const LeaseFacts& facts, Instant now) {
  if (has_facts_ ? !granted_since(facts) : !rules_.hold_off_at_first_contact) return;
  released_ = false;
  if (!rules_.outwait_last_grant) return;
  last_grant_over_at_ = now + outlived_;
  reason_ = "workers of the last term may live until its hard kill";
}

// The source's nodes do not count; that one of them was granted the lease shows in its key alone.
bool Succession::granted_since(const LeaseFacts& facts) const {
  if (rules_.count_grants && (facts.epoch != facts_.epoch || facts.grants != facts_.grants)) return true;
  if (facts.holder.empty()) return false;
  const Duration before = expiry_of(facts_);
  const bool same = facts.holder == facts_.holder && expiry_of(facts) >= before - kExpiryReadWithin &&
                    expiry_of(facts) <= before + kExpiryReadWithin;
  return !same;
}

void Succession::judge_end(const LeaseFacts& facts) {
  // This node's own term, which it has ended itself, and after which nobody has had another.
  const bool own_term = has_facts_ && facts_.own && facts.epoch == facts_.epoch;
  released_ = released_ || own_term || released_in_order(facts);
}

// The word that was left must be of the grant that this node saw or of a later one: a node that leaves no such word
// (the source's supervisor) may have held the lease since.
bool Succession::released_in_order(const LeaseFacts& facts) const {
  if (facts.released_by.empty()) return false;
  if (!has_facts_) return knows_the_store_ && facts.epoch == memory_.epoch;
  return facts.epoch > facts_.epoch || facts.grants > facts_.grants || facts_.holder == facts.released_by;
}

Instant Succession::may_take_at() const {
  if (!has_facts_ || !facts_.holder.empty()) return kNever;
  if (alone_) return {};
  return released_ ? store_doubted_until_ : std::max(store_doubted_until_, last_grant_over_at_);
}

// A term that was there when the store came back may be older than one that it has lost, however long ago that was.
bool Succession::may_resume() const {
  if (!rules_.recognise_own_grant || !has_facts_ || !facts_.own || facts_.epoch < memory_.epoch) return false;
  return alone_ || facts_.epoch > doubted_epoch_;
}

}  // namespace stargazer
