// This node's part in the contest for the leader lease (SPEC section 3).
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
// A reply that comes later than request_timeout is ignored: that request has been counted as failed. What this does and
// does not promise is in docs/lease.md.
//
// Pure: time is an argument, and what must be done is returned.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/config.h"
#include "core/random.h"
#include "core/seams.h"
#include "core/time.h"

namespace stargazer {

enum class LeaseAction : std::uint8_t { kAcquire, kRenew, kRelease };

struct LeaseRequest {
  LeaseRequestId id = 0;
  LeaseAction action{};
};

// What has changed and what must be done about it. Several may be set at once.
struct LeaseEffects {
  bool gained = false;
  bool lost = false;          // the workers of the lease must be stopped
  bool kill_workers = false;  // … and now be killed: the hard_kill deadline has passed
  bool released = false;
  std::string reason;                   // of `lost`
  std::string new_holder;               // another node was seen to hold the lease for the first time
  std::string failure;                  // a request failed, and the one before had not failed for the same cause
  Duration retry_in{};                  // of `failure`
  std::optional<LeaseRequest> request;  // to be sent now
};

class Lease {
 public:
  // Without a store (`contested` false) the node is leader from the start to the stop.
  Lease(const LeaseTimes& times, bool contested);

  // Begins to contend: at on_store_reachable, or after retry_pause without one. REQUIRES: not started.
  void start(Instant now);
  // Takes a reply in; one that is late or unknown is ignored.
  void on_reply(const LeaseReply& reply, Instant now, Random& random);
  // The store may be reachable again: a node that waits for its next try makes it now.
  void on_store_reachable(Instant now);
  // Ends the contest: released when the workers are gone. A second call is a no-op.
  void stop();

  // Moves on to `now`. `workers_gone`: no worker of the lease is alive or undrained.
  LeaseEffects advance(Instant now, bool workers_gone);
  // The next moment at which advance has something to do by itself.
  Instant next_wake() const;

  // True while workers of the lease may be started and kept.
  bool leader() const { return state_ == State::kLeader; }
  bool ended() const { return state_ == State::kEnded; }
  // Until when this node's workers may run at the most. REQUIRES: contested, and granted at least once.
  Instant hard_kill_at() const { return granted_at_ + times_.hard_kill; }

 private:
  enum class State : std::uint8_t { kIdle, kFollower, kLeader, kSurrendering, kReleasing, kEnded };
  struct InFlight {
    LeaseRequest request;
    Instant sent_at;
  };

  void on_granted(Instant sent_at);
  void on_held(const LeaseReply& reply, Instant now, Random& random);
  void fail(const std::string& cause, Instant now);
  void lose(const std::string& reason);
  void fence(Instant now);
  void leave_when_gone(Instant now, bool workers_gone);
  void send_if_due(Instant now);

  LeaseTimes times_;
  bool contested_;
  bool stopping_ = false;
  State state_ = State::kIdle;
  std::optional<InFlight> in_flight_;
  Instant next_request_at_ = kNever;
  Instant granted_at_{};  // when the last granted request was sent
  bool killed_ = false;   // the hard kill of this surrender has been ordered
  std::string holder_;    // the other node that was last seen
  std::string last_failure_;
  LeaseRequestId last_id_ = 0;
  LeaseEffects effects_;  // collected until advance returns them
};

}  // namespace stargazer
