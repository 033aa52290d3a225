#include "core/lease.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace stargazer {
namespace {

// Between two looks of a follower at the most: three tenths of the heartbeat, which by default is what is left between
// LeaseTimes::outlived and the ttl.
constexpr int kPollTenthsOfHeartbeat = 3;
// Followers ask at the moment of expiry, this much of the heartbeat apart; and after an announcement, so much.
constexpr int kExpirySpreadOfHeartbeat = 50;
constexpr int kAnnouncementSpreadOfHeartbeat = 1000;

}  // namespace

Lease::Lease(const Options& options)
    : times_(options.times),
      contested_(options.contested),
      rules_(options.rules),
      succession_(options.times.ttl, options.times.outlived(), options.alone, options.memory, options.rules) {}

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
  } else if (reply.answer == LeaseReply::Answer::kFailed || reply.answer == LeaseReply::Answer::kReleased) {
    fail(reply.cause.empty() ? "answered as if asked to release" : reply.cause, now, random);
  } else {
    on_answer(reply, answered, now, random);
  }
}

void Lease::on_answer(const LeaseReply& reply, const InFlight& answered, Instant now, Random& random) {
  last_failure_.clear();
  succession_.observe(reply.facts, now);
  if (reply.answer == LeaseReply::Answer::kGranted) {
    on_granted(reply, answered, now);
  } else if (state_ == State::kLeader) {
    on_refused_leader(reply, answered.request.action, now);
  } else {
    plan_follower(now, random);
  }
}

void Lease::on_granted(const LeaseReply& reply, const InFlight& answered, Instant now) {
  const Instant from = rules_.count_from_sending ? answered.sent_at : now;
  next_request_at_ = answered.sent_at + times_.heartbeat;
  if (state_ == State::kFollower) {
    state_ = State::kLeader;
    epoch_ = reply.facts.epoch;
    effects_.gained = true;
    holder_.clear();
  }
  if (state_ != State::kLeader) return;
  granted_at_ = from;
  effects_.recreated |= answered.request.action == LeaseAction::kRecreate;
}

// Within its own deadlines a leader whose key has vanished sets it again: every candidate holds off at that moment
// (rule 7). What it may not do is overrule a later term.
void Lease::on_refused_leader(const LeaseReply& reply, LeaseAction asked, Instant now) {
  const LeaseFacts& facts = reply.facts;
  if (!facts.holder.empty()) {
    lose(facts.own ? "Redis holds an older term of this node" : "lost to " + facts.holder);
  } else if (!rules_.recreate) {
    lose("its key has vanished from Redis");
  } else if (facts.epoch > epoch_) {
    lose("its key has vanished, and a later term has been granted meanwhile");
  } else {
    take_next_ = true;
    next_request_at_ = asked == LeaseAction::kRecreate ? now + times_.retry_pause : now;
    return;
  }
  next_request_at_ = now;
}

void Lease::plan_follower(Instant now, Random& random) {
  const LeaseFacts& facts = *succession_.facts();
  if (!facts.holder.empty() && !facts.own && holder_ != facts.holder) effects_.new_holder = facts.holder;
  if (!facts.holder.empty()) {
    holder_ = facts.own ? "" : facts.holder;
    hold_off_.clear();
  }
  const Instant take_at = succession_.may_take_at();
  take_next_ = succession_.may_resume() || take_at <= now;
  if (!take_next_ && take_at != kNever && hold_off_ != succession_.reason()) {
    hold_off_ = succession_.reason();
    effects_.hold_off = hold_off_;
    effects_.hold_off_for = take_at - now;
  }
  next_request_at_ = take_next_ ? now : next_look(facts, now, random);
  if (std::exchange(look_again_, false)) next_request_at_ = now;
}

// At the moment at which the lease can be taken, and at the latest after a poll: what happens until then must be seen.
Instant Lease::next_look(const LeaseFacts& facts, Instant now, Random& random) {
  const Instant poll_at = now + poll(random);
  const Duration spread = random.up_to(times_.heartbeat / kExpirySpreadOfHeartbeat);
  const Instant free_at = facts.holder.empty() ? succession_.may_take_at() : now + facts.remaining;
  return std::min(poll_at, free_at + spread + std::chrono::milliseconds(1));
}

Duration Lease::poll(Random& random) const {
  const Duration longest = times_.heartbeat * kPollTenthsOfHeartbeat / 10;
  return longest - random.up_to(longest / 5);
}

void Lease::on_store_reachable(Instant now) {
  if (contested_ && !in_flight_ && (state_ == State::kFollower || state_ == State::kLeader)) next_request_at_ = now;
}

void Lease::on_announced(Instant now, Random& random) {
  if (state_ != State::kFollower) return;
  look_again_ = in_flight_.has_value();
  const Instant soon = now + random.up_to(times_.heartbeat / kAnnouncementSpreadOfHeartbeat);
  if (!in_flight_) next_request_at_ = std::min(next_request_at_, soon);
}

void Lease::stop() {
  if (stopping_) return;
  stopping_ = true;
  if (state_ == State::kIdle) state_ = State::kEnded;
}

// A leader must get its renewal through before the soft stop, so it tries again soon; a follower has time.
void Lease::fail(const std::string& cause, Instant now, Random& random) {
  const Duration pause = state_ == State::kLeader ? times_.retry_pause : poll(random);
  next_request_at_ = now + pause;
  look_again_ = false;
  if (last_failure_ == cause) return;
  last_failure_ = cause;
  effects_.failure = cause;
  effects_.retry_in = pause;
}

void Lease::lose(const std::string& reason) {
  state_ = State::kSurrendering;
  take_next_ = false;
  killed_ = false;
  effects_.lost = true;
  effects_.reason = reason;
}

void Lease::expire_request(Instant now, Random& random) {
  if (!in_flight_ || now < in_flight_->sent_at + times_.request_timeout) return;
  in_flight_.reset();
  if (state_ == State::kReleasing) {
    state_ = State::kEnded;
  } else {
    fail("no answer within " + format_duration(times_.request_timeout), now, random);
  }
}

void Lease::fence(Instant now) {
  if (!contested_ || !rules_.self_fence) return;
  if (state_ == State::kLeader && now >= granted_at_ + times_.soft_stop) {
    lose("not renewed for " + approximate_duration(now - granted_at_));
  }
  if (state_ == State::kSurrendering && !killed_ && now >= hard_kill_at()) {
    killed_ = true;
    effects_.kill_workers = true;
  }
}

void Lease::leave_when_gone(Instant now, bool workers_gone) {
  if (state_ == State::kReleasing || state_ == State::kEnded) return;
  if (!workers_gone && (rules_.reap_before_release || !stopping_)) return;
  if (stopping_) {
    // Also after an acquire whose reply is still out: the release follows it on the same connection.
    state_ = contested_ ? State::kReleasing : State::kEnded;
    in_flight_.reset();
    next_request_at_ = now;
  } else if (state_ == State::kSurrendering) {
    state_ = State::kFollower;
    take_next_ = false;
    next_request_at_ = std::max(next_request_at_, now);
  }
}

LeaseRequest Lease::next_request(std::uint64_t epoch_floor) const {
  LeaseRequest request{last_id_ + 1, LeaseAction::kObserve, {}, epoch_};
  const LeaseFacts* facts = succession_.facts();
  if (state_ == State::kReleasing) request.action = LeaseAction::kRelease;
  if (state_ == State::kLeader) request.action = take_next_ ? LeaseAction::kRecreate : LeaseAction::kRenew;
  if (state_ == State::kFollower && take_next_) {
    request.action = facts->own ? LeaseAction::kRenew : LeaseAction::kAcquire;
    request.epoch = facts->epoch;
  }
  if (facts != nullptr) request.claim = {facts->epoch, facts->grants, facts->server, epoch_};
  if (request.action == LeaseAction::kAcquire) {
    request.claim.epoch =
        rules_.epochs_outlive_the_store ? std::max(succession_.memory().epoch + 1, epoch_floor) : std::uint64_t{0};
  }
  return request;
}

void Lease::send_if_due(Instant now, std::uint64_t epoch_floor) {
  if (in_flight_ || now < next_request_at_) return;
  if (state_ == State::kSurrendering || state_ == State::kIdle || state_ == State::kEnded) return;
  in_flight_ = InFlight{next_request(epoch_floor), now};
  ++last_id_;
  take_next_ = false;
  next_request_at_ = kNever;
  effects_.request = in_flight_->request;
}

LeaseEffects Lease::advance(Instant now, bool workers_gone, std::uint64_t epoch_floor, Random& random) {
  expire_request(now, random);
  fence(now);
  leave_when_gone(now, workers_gone);
  send_if_due(now, epoch_floor);
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
  if (!rules_.self_fence) return wake;
  if (state_ == State::kLeader) wake = std::min(wake, granted_at_ + times_.soft_stop);
  if (state_ == State::kSurrendering && !killed_) wake = std::min(wake, hard_kill_at());
  return wake;
}

Instant Lease::hard_kill_at() const {
  return contested_ ? granted_at_ + times_.hard_kill : kNever;
}

std::string Lease::why_not_leader(Instant now) const {
  if (state_ == State::kSurrendering) return "the lease was lost, and its workers are being stopped";
  if (state_ != State::kFollower) return "the scheduler is not running";
  if (!last_failure_.empty()) return "the lease cannot be asked for: " + last_failure_;
  const LeaseFacts* facts = succession_.facts();
  if (facts == nullptr) return "Redis has not been asked for the lease yet";
  if (!facts->holder.empty()) return "the lease is held by " + facts->holder;
  const Instant take_at = std::max(succession_.may_take_at(), now);
  return "waits " + approximate_duration(take_at - now) + " before it takes the lease: " + succession_.reason();
}

}  // namespace stargazer
