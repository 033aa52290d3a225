// Whether a candidate may take over the lease that nobody holds: rule 6 of LEASE.md.
//
// That the key is absent does not mean that the term has ended: the store may have lost its data, or its clock may have
// been set forward, while the old leader's workers still run, rightly, on their own clock. So a candidate takes over at
// once only when it has seen the term end: its ttl passed on both clocks while it looked, or it was given up in order,
// or was its own. After anything else it waits for one whole ttl, by which time every worker of the old term is dead by
// its own deadlines.
//
// Nothing in here compares the clocks of two machines, only how far each has moved.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/lease_rules.h"
#include "core/seams.h"
#include "core/time.h"

namespace stargazer {

class Succession {
 public:
  // `tolerance` is how far the store's clock may be off the candidate's within one ttl, and how slow an answer may be
  // to be judged by. `alone`: there is no other node, so there is nothing to wait for.
  Succession(Duration ttl, Duration tolerance, bool alone, LeaseMemory remembered, const LeaseRules& rules);

  // Takes in what a request that was sent and answered at these moments has found, before anything else is asked.
  void observe(const LeaseFacts& facts, Instant sent_at, Instant received_at);

  // The earliest moment at which the lease may be taken, given that nobody holds it: perhaps past. kNever while
  // somebody does or before the first observation.
  Instant may_take_at() const;
  // The last answer was too slow to say how the term had ended; another one should be asked for.
  bool too_slow() const { return too_slow_; }
  // When this node is found to be the holder of a term that it was not told of: whether the term is really its own,
  // which it is not in a store that has lost later ones.
  bool may_resume(Instant now) const;

  // Why the lease may not be taken at once; the last reason of several.
  const std::string& reason() const { return reason_; }
  // The highest epoch ever seen, and the present server.
  const LeaseMemory& memory() const { return memory_; }
  // The last facts that could be judged by; null before the first.
  const LeaseFacts* facts() const { return facts_ ? &*facts_ : nullptr; }

 private:
  struct ClockReading {
    Duration offset_min;  // of the store's clock to ours: at least, at most
    Duration offset_max;
    Instant taken_at;
  };

  void judge_server(const LeaseFacts& facts, Instant now);
  void judge_absence(Instant now);
  void judge_clock(const LeaseFacts& facts, Instant sent_at, Instant received_at);
  void judge_key(const LeaseFacts& facts, Instant now);
  void judge_end(const LeaseFacts& facts, Instant sent_at, Instant received_at);
  bool released_in_order(const LeaseFacts& facts) const;
  void doubt(Instant& until, const char* reason, Instant now);

  const Duration ttl_;
  const Duration tolerance_;
  const bool alone_;
  const LeaseRules rules_;
  LeaseMemory memory_;
  std::optional<LeaseFacts> facts_;
  std::optional<ClockReading> anchor_;
  Instant looked_at_{};
  bool same_store_as_remembered_ = false;
  bool released_ = false;  // the last term was given up in order, or was this node's own
  bool too_slow_ = false;
  Instant expires_no_earlier_{};  // the key that was last seen, on our clock
  // Until when the candidate holds off. A release in order outweighs a doubt about how the term ended, but not one
  // about the store that reports it; a quick answer outweighs that the one before was too slow.
  Instant store_doubted_until_{};
  Instant end_doubted_until_{};
  Instant slow_until_{};
  std::string reason_;
};

}  // namespace stargazer
