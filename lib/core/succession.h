// Whether a candidate may take over the lease that nobody holds (LEASE.md rule 6; docs/decisions/0005).
//
// That the key is absent does not mean that the term has ended: the store may have lost its data, or its clock may have
// been set, while the old leader's workers still run, rightly, on their own clock. So a candidate trusts neither the
// key's time to live nor the store's clock. It notes when, on its own clock, it first saw each grant. Whoever was
// granted the lease had asked for it before that moment, and its workers are dead one hard kill after asking. So the
// lease is free once nobody holds it and the last grant was first seen so long ago.
//
// Grants are counted in the store, so that one which came and vanished between two looks shows all the same. What a
// store may have forgotten no count can show: after the first contact, and when the store may have lost data, the
// candidate waits for one whole ttl.
#pragma once

#include <cstdint>
#include <string>

#include "core/lease_rules.h"
#include "core/seams.h"
#include "core/time.h"

namespace stargazer {

class Succession {
 public:
  // `outlived`: how long after its grant was first seen no worker of a term is left (LeaseTimes::outlived). `alone`:
  // there is no other node, so there is nothing to wait for.
  Succession(Duration ttl, Duration outlived, bool alone, LeaseMemory remembered, const LeaseRules& rules);

  // Takes in what an answer that was received at this moment has found, before anything else is asked.
  void observe(const LeaseFacts& facts, Instant received_at);

  // The earliest moment at which the lease may be taken, given that nobody holds it: perhaps past. kNever while
  // somebody does or before the first observation.
  Instant may_take_at() const;
  // When this node is found to be the holder of a term that it was not told of: whether the term is really its own,
  // which it is not in a store that has lost later ones.
  bool may_resume() const;

  // Why the lease may not be taken at once; the last reason of several.
  const std::string& reason() const { return reason_; }
  // The highest epoch ever seen, and the present server.
  const LeaseMemory& memory() const { return memory_; }
  // The last that was observed; null before the first.
  const LeaseFacts* facts() const { return has_facts_ ? &facts_ : nullptr; }

 private:
  void judge_store(const LeaseFacts& facts, Instant now);
  void judge_grant(const LeaseFacts& facts, Instant now);
  void judge_end(const LeaseFacts& facts);
  bool granted_since(const LeaseFacts& facts) const;
  bool released_in_order(const LeaseFacts& facts) const;

  const Duration ttl_;
  const Duration outlived_;
  const bool alone_;
  const LeaseRules rules_;
  LeaseMemory memory_;
  LeaseFacts facts_;
  bool has_facts_ = false;
  bool knows_the_store_ = false;  // at the first contact: it was seen in this life before, and has forgotten nothing
  bool released_ = false;         // the last term was given up in order, or was this node's own
  // Until when the candidate holds off. A release in order outweighs the second, but not the first: it may be all that
  // is left of what the store knew.
  Instant store_doubted_until_{};
  std::uint64_t doubted_epoch_ = 0;  // what the store knew of when it was last doubted
  Instant last_grant_over_at_{};
  std::string reason_;
};

}  // namespace stargazer
