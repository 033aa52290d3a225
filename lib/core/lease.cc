#include "core/lease.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace stargazer {

Lease::Lease(const LeaseTimes& times, bool contested) : times_(times), contested_(contested) {}

void Lease::start(Instant now) {
  assert(state_ == State::kIdle);
  state_ = contested_ ? State::kFollower : State::kLeader;
  effects_.gained = !contested_;
  // on_store_reachable usually comes first; asking a store that is still being connected would only fail.
  if (contested_) next_request_at_ = now + times_.retry_pause;
}

void Lease::on_reply(const LeaseReply& reply, Instant now, Random& random) {
  if (!in_flight_ || in_flight_->request.id != reply.id) return;
  if (now >= in_flight_->sent_at + times_.request_timeout) return;  // advance counts it as failed
  const InFlight answered = *std::exchange(in_flight_, std::nullopt);
  if (state_ == State::kReleasing) {
    effects_.released = reply.answer == LeaseReply::Answer::kReleased;
    state_ = State::kEnded;
    return;
  }
  switch (reply.answer) {
    case LeaseReply::Answer::kGranted: on_granted(answered.sent_at); break;
    case LeaseReply::Answer::kHeld: on_held(reply, now, random); break;
    case LeaseReply::Answer::kMissing:
      last_failure_.clear();
      next_request_at_ = now + times_.retry_pause;
      if (state_ == State::kLeader) lose("its key has vanished from the store");
      break;
    case LeaseReply::Answer::kReleased: fail("answered as if asked to release", now); break;
    case LeaseReply::Answer::kFailed: fail(reply.cause, now); break;
  }
}

void Lease::on_granted(Instant sent_at) {
  last_failure_.clear();
  next_request_at_ = sent_at + times_.heartbeat;
  if (state_ == State::kFollower) {
    state_ = State::kLeader;
    effects_.gained = true;
    holder_.clear();
  }
  if (state_ == State::kLeader) granted_at_ = sent_at;
}

void Lease::on_held(const LeaseReply& reply, Instant now, Random& random) {
  last_failure_.clear();
  if (holder_ != reply.holder) effects_.new_holder = reply.holder;
  holder_ = reply.holder;
  if (state_ == State::kLeader) lose("lost to " + reply.holder);
  // Early enough to take over within a fraction of a second of its expiry, and never in step with other followers.
  const Duration poll = times_.heartbeat - random.up_to(times_.heartbeat / 10);
  const Duration until_expiry = reply.remaining + random.up_to(times_.heartbeat / 50);
  next_request_at_ = now + (reply.remaining > Duration::zero() ? std::min(poll, until_expiry) : poll);
}

void Lease::on_store_reachable(Instant now) {
  if (contested_ && !in_flight_ && (state_ == State::kFollower || state_ == State::kLeader)) next_request_at_ = now;
}

void Lease::stop() {
  if (stopping_) return;
  stopping_ = true;
  if (state_ == State::kIdle) state_ = State::kEnded;
}

// A leader must get its renewal through before the soft stop, so it tries again soon; a follower has time.
void Lease::fail(const std::string& cause, Instant now) {
  const Duration pause = state_ == State::kLeader ? times_.retry_pause : times_.heartbeat;
  next_request_at_ = now + pause;
  if (last_failure_ == cause) return;
  last_failure_ = cause;
  effects_.failure = cause;
  effects_.retry_in = pause;
}

void Lease::lose(const std::string& reason) {
  state_ = State::kSurrendering;
  killed_ = false;
  effects_.lost = true;
  effects_.reason = reason;
}

void Lease::fence(Instant now) {
  if (!contested_) return;
  if (state_ == State::kLeader && now >= granted_at_ + times_.soft_stop) {
    lose("not renewed for " + approximate_duration(now - granted_at_));
  }
  if (state_ == State::kSurrendering && !killed_ && now >= hard_kill_at()) {
    killed_ = true;
    effects_.kill_workers = true;
  }
}

void Lease::leave_when_gone(Instant now, bool workers_gone) {
  if (state_ == State::kReleasing || state_ == State::kEnded || !workers_gone) return;
  if (stopping_) {
    // Also after an acquire whose reply is still out: the release follows it on the same connection.
    state_ = contested_ ? State::kReleasing : State::kEnded;
    in_flight_.reset();
    next_request_at_ = now;
  } else if (state_ == State::kSurrendering) {
    state_ = State::kFollower;
    next_request_at_ = std::max(next_request_at_, now);
  }
}

void Lease::send_if_due(Instant now) {
  if (in_flight_ || now < next_request_at_) return;
  LeaseAction action = LeaseAction::kAcquire;
  if (state_ == State::kLeader) action = LeaseAction::kRenew;
  if (state_ == State::kReleasing) action = LeaseAction::kRelease;
  if (state_ == State::kSurrendering || state_ == State::kIdle || state_ == State::kEnded) return;
  in_flight_ = InFlight{{++last_id_, action}, now};
  next_request_at_ = kNever;
  effects_.request = in_flight_->request;
}

LeaseEffects Lease::advance(Instant now, bool workers_gone) {
  if (in_flight_ && now >= in_flight_->sent_at + times_.request_timeout) {
    in_flight_.reset();
    if (state_ == State::kReleasing) {
      state_ = State::kEnded;
    } else {
      fail("no answer within " + format_duration(times_.request_timeout), now);
    }
  }
  fence(now);
  leave_when_gone(now, workers_gone);
  send_if_due(now);
  return std::exchange(effects_, LeaseEffects{});
}

Instant Lease::next_wake() const {
  if (!contested_ || state_ == State::kIdle || state_ == State::kEnded) return kNever;
  Instant wake = kNever;
  if (in_flight_) {
    wake = in_flight_->sent_at + times_.request_timeout;
  } else if (state_ != State::kSurrendering) {
    wake = next_request_at_;
  }
  if (state_ == State::kLeader) wake = std::min(wake, granted_at_ + times_.soft_stop);
  if (state_ == State::kSurrendering && !killed_) wake = std::min(wake, hard_kill_at());
  return wake;
}

}  // namespace stargazer
