// This node's part in the contest for the leader lease (SPEC section 3, LEASE.md section 3.6).
//
//   follower ─ granted ─► leader ─ not renewed in time, or lost ─► surrendering ─ last worker gone ─► follower
//       │                   │                                            │
//       └────── stop ───────┴─ last worker gone ──► releasing ◄──────────┘ (when stopping)
//                                                       └─ answered, or no answer in time ─► ended
//
// All deadlines count from the moment at which the last *granted* request was sent, because the store cannot have
// started the ttl earlier than that:
//
//   sent ──── heartbeat ──────── soft_stop ───────── hard_kill ── margin ── ttl
//             renew, retry       workers get TERM    workers get KILL       another node may win
//
// A reply that comes later than request_timeout is ignored: that request has been counted as failed. What a follower
// does about a lease that nobody holds is in core/succession.h; what all of this promises is in docs/lease.md.
//
// Pure: time is an argument, and what must be done is returned.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/config.h"
#include "core/lease_rules.h"
#include "core/random.h"
#include "core/seams.h"
#include "core/succession.h"
#include "core/time.h"

namespace stargazer {

enum class LeaseAction : std::uint8_t { kObserve, kAcquire, kRenew, kRecreate, kRelease };

struct LeaseRequest {
  LeaseRequestId id = 0;
  LeaseAction action{};
  LeaseClaim claim;         // of kAcquire and kRecreate
  std::uint64_t epoch = 0;  // of kRenew
};

// What has changed and what must be done about it. Several may be set at once.
struct LeaseEffects {
  bool gained = false;
  bool recreated = false;
  bool lost = false;          // the workers of the lease must be stopped
  bool kill_workers = false;  // … and now be killed: the hard_kill deadline has passed
  bool released = false;
  std::string reason;                   // of `lost`
  std::string new_holder;               // another node was seen to hold the lease for the first time
  std::string hold_off;                 // why this candidate has begun to wait
  Duration hold_off_for{};              // of `hold_off`
  std::string failure;                  // a request failed, and the one before had not failed for the same cause
  Duration retry_in{};                  // of `failure`
  std::optional<LeaseRequest> request;  // to be sent now
};

class Lease {
 public:
  struct Options {
    LeaseTimes times;
    bool contested = true;  // false: without a store the node is leader from the start to the stop
    bool alone = false;     // no other node contends: no hold-off
    LeaseMemory memory;     // of the start before
    LeaseRules rules;
  };

  explicit Lease(const Options& options);

  // Begins to contend: at on_store_reachable, or after retry_pause without one. REQUIRES: not started.
  void start(Instant now);
  // Takes a reply in; one that is late or unknown is ignored.
  void on_reply(const LeaseReply& reply, Instant now, Random& random);
  // The store may be reachable again: a node that waits for its next try makes it now.
  void on_store_reachable(Instant now);
  // Somebody says that the lease has been released: a follower looks at once.
  void on_announced(Instant now, Random& random);
  // Ends the contest: released when the workers are gone. A second call is a no-op.
  void stop();

  // Moves on to `now`. `workers_gone`: no worker of the lease is alive or undrained. `epoch_floor`: a number that every
  // node expects to have risen since the last term, such as the time of day in seconds; a new epoch is not below it.
  LeaseEffects advance(Instant now, bool workers_gone, std::uint64_t epoch_floor, Random& random);
  // The next moment at which advance has something to do by itself.
  Instant next_wake() const;

  // True while workers of the lease may be started and kept.
  bool leader() const { return state_ == State::kLeader; }
  bool ended() const { return state_ == State::kEnded; }
  // Until when this node's workers may run at the most; kNever when not contested. REQUIRES: granted at least once.
  Instant hard_kill_at() const;
  // The fencing token of the present or last term; 0 before the first one and when not contested.
  std::uint64_t epoch() const { return epoch_; }
  const LeaseMemory& memory() const { return succession_.memory(); }
  // One sentence on why this node is not the leader. REQUIRES: !leader().
  std::string why_not_leader(Instant now) const;

 private:
  enum class State : std::uint8_t { kIdle, kFollower, kLeader, kSurrendering, kReleasing, kEnded };
  struct InFlight {
    LeaseRequest request;
    Instant sent_at;
  };

  void on_answer(const LeaseReply& reply, const InFlight& answered, Instant now, Random& random);
  void on_granted(const LeaseReply& reply, const InFlight& answered, Instant now);
  void on_refused_leader(const LeaseReply& reply, LeaseAction asked, Instant now);
  void plan_follower(Instant now, Random& random);
  Instant next_look(const LeaseFacts& facts, Instant now, Random& random);
  void fail(const std::string& cause, Instant now, Random& random);
  void lose(const std::string& reason);
  void expire_request(Instant now, Random& random);
  void fence(Instant now);
  void leave_when_gone(Instant now, bool workers_gone);
  void send_if_due(Instant now, std::uint64_t epoch_floor);
  LeaseRequest next_request(std::uint64_t epoch_floor) const;
  Duration poll(Random& random) const;

  const LeaseTimes times_;
  const bool contested_;
  const LeaseRules rules_;
  Succession succession_;
  bool stopping_ = false;
  State state_ = State::kIdle;
  std::optional<InFlight> in_flight_;
  Instant next_request_at_ = kNever;
  bool take_next_ = false;   // the next request takes the lease, resumes it or sets it again, instead of looking
  bool look_again_ = false;  // something was announced while a request was out
  Instant granted_at_{};     // when the last granted request was sent
  std::uint64_t epoch_ = 0;
  bool killed_ = false;   // the hard kill of this surrender has been ordered
  std::string holder_;    // the other node that was last seen
  std::string hold_off_;  // the reason that was last told
  std::string last_failure_;
  LeaseRequestId last_id_ = 0;
  LeaseEffects effects_;  // collected until advance returns them
};

}  // namespace stargazer
