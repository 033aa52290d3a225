#include "core/succession.h"

#include <algorithm>
#include <utility>

namespace stargazer {
namespace {

// Who has not looked for this part of the ttl was absent: usually everybody looks about three times as often.
constexpr int kAbsenceOfTtl = 3;
// The store's clock and what remains of the key are read in one script, but not quite in one instant.
constexpr Duration kExpiryReadWithin = std::chrono::milliseconds(20);

}  // namespace

Succession::Succession(Duration ttl, Duration tolerance, bool alone, LeaseMemory remembered, const LeaseRules& rules)
    : ttl_(ttl), tolerance_(tolerance), alone_(alone), rules_(rules), memory_(std::move(remembered)) {}

void Succession::observe(const LeaseFacts& facts, Instant sent_at, Instant received_at) {
  judge_server(facts, received_at);
  judge_absence(received_at);
  judge_clock(facts, sent_at, received_at);
  judge_key(facts, received_at);
  too_slow_ = false;
  if (facts.holder.empty()) judge_end(facts, sent_at, received_at);
  memory_.epoch = std::max(memory_.epoch, facts.epoch);
  memory_.server = facts.server;
  // How the term ended is then judged by the next answer, against what was known before this one.
  if (too_slow_) return;
  if (!facts.holder.empty()) {
    released_ = false;
    slow_until_ = {};
    expires_no_earlier_ = sent_at + facts.remaining;
  }
  facts_ = facts;
}

// Another life of the store, or a fallen epoch, says that what it holds may be older than what was granted.
void Succession::judge_server(const LeaseFacts& facts, Instant now) {
  if (!facts_) {
    same_store_as_remembered_ = facts.server == memory_.server && facts.epoch >= memory_.epoch;
    if (!rules_.hold_off_at_first_contact) return;
    // A store that is known has kept its data, but its clock may have been set forward while nobody here looked.
    doubt(same_store_as_remembered_ ? end_doubted_until_ : store_doubted_until_,
          "what happened to the lease before this first contact is not known", now);
  } else if (rules_.hold_off_at_data_loss && facts.server != memory_.server) {
    doubt(store_doubted_until_, "Redis has been restarted or replaced and may have lost the last term", now);
  } else if (rules_.hold_off_at_data_loss && facts.epoch < facts_->epoch) {
    doubt(store_doubted_until_, "Redis has lost the lease's data", now);
  }
}

// A step of the store's clock that was undone meanwhile has left no trace but a key that expires too soon.
void Succession::judge_absence(Instant now) {
  const Instant before = std::exchange(looked_at_, now);
  if (!facts_ || now - before <= ttl_ / kAbsenceOfTtl || !rules_.hold_off_at_first_contact) return;
  doubt(end_doubted_until_, "this node has not seen the lease for too long to know how its term ended", now);
}

// A key expires by the store's wall clock, so a step forward frees it early. One back may hide another forward. A slow
// answer tells less exactly what the clock is, so nothing is compared with it, but a step may show in it all the same.
void Succession::judge_clock(const LeaseFacts& facts, Instant sent_at, Instant received_at) {
  const ClockReading reading{facts.store_time - received_at.time_since_epoch(),
                             facts.store_time - sent_at.time_since_epoch(), received_at};
  const bool stepped = anchor_ && (reading.offset_min > anchor_->offset_max + tolerance_ ||
                                   reading.offset_max < anchor_->offset_min - tolerance_);
  if (stepped && rules_.hold_off_at_clock_step) {
    doubt(end_doubted_until_, "the clock of Redis was set, so that the key may expire early", received_at);
  }
  // The anchor stays for one ttl, so that steps too small to be seen do not add up to more than twice the tolerance.
  if (received_at - sent_at > tolerance_) return;
  if (!anchor_ || stepped || received_at - anchor_->taken_at > ttl_) anchor_ = reading;
}

// The key's moment of expiry, by the store's clock, is the one that was seen before, or a whole ttl after something
// that has happened since. Anything earlier comes from a step that was undone before anybody read the clock.
void Succession::judge_key(const LeaseFacts& facts, Instant now) {
  if (!facts_ || facts.holder.empty() || !rules_.hold_off_at_clock_step) return;
  const Duration expiry = facts.store_time + facts.remaining;
  const Duration before = facts_->store_time + facts_->remaining;
  const bool set_since = expiry >= facts_->store_time + ttl_ - kExpiryReadWithin;
  const bool as_before =
      !facts_->holder.empty() && expiry >= before - kExpiryReadWithin && expiry <= before + kExpiryReadWithin;
  if (set_since || as_before) return;
  doubt(end_doubted_until_, "the lease expires sooner than whoever set it can have meant", now);
}

void Succession::judge_end(const LeaseFacts& facts, Instant sent_at, Instant received_at) {
  // This node's own term, which it has ended itself, and after which nobody has had another.
  const bool own_term = facts_ && facts_->own && facts.epoch == facts_->epoch;
  if (own_term || released_in_order(facts)) {
    released_ = true;
    return;
  }
  const bool was_free = facts_ && facts_->holder.empty();
  if (was_free && facts.epoch == facts_->epoch) return;  // judged already
  released_ = false;
  if (!facts_ || was_free) {
    // A term that was never seen has ended, in an order that is not known.
    if (facts_ ? rules_.hold_off_at_early_end : rules_.hold_off_at_first_contact) {
      doubt(end_doubted_until_, "nobody holds the lease, and how the last term ended is not known", received_at);
    }
  } else if (received_at < expires_no_earlier_) {
    if (rules_.hold_off_at_early_end) doubt(end_doubted_until_, "the key has vanished before its time", received_at);
  } else if (received_at - sent_at <= tolerance_) {
    slow_until_ = {};
  } else if (slow_until_ == Instant{} || received_at < slow_until_) {
    too_slow_ = true;
    if (slow_until_ == Instant{})
      doubt(slow_until_, "Redis answers too slowly to judge how the term ended", received_at);
  }
}

// The word that was left must be of the term that this node saw or of a later one: a node that keeps no such word (the
// source's supervisor) may have held the lease since.
bool Succession::released_in_order(const LeaseFacts& facts) const {
  if (facts.released_by.empty()) return false;
  if (!facts_) return same_store_as_remembered_ && facts.epoch == memory_.epoch;
  if (facts_->holder.empty()) return (released_ && facts.epoch == facts_->epoch) || facts.epoch > facts_->epoch;
  return facts_->holder == facts.released_by || facts.epoch > facts_->epoch;
}

void Succession::doubt(Instant& until, const char* reason, Instant now) {
  until = now + ttl_;
  reason_ = reason;
}

Instant Succession::may_take_at() const {
  if (!facts_ || !facts_->holder.empty()) return kNever;
  if (alone_) return {};
  if (released_) return store_doubted_until_;
  return std::max({store_doubted_until_, end_doubted_until_, slow_until_});
}

bool Succession::may_resume(Instant now) const {
  if (!rules_.recognise_own_grant || !facts_ || !facts_->own || facts_->epoch < memory_.epoch) return false;
  return alone_ || now >= store_doubted_until_;
}

}  // namespace stargazer
