// A node in the contest for the lease, without a store: what a store would say is made up here.
#pragma once

#include <string>
#include <utility>

#include "core/lease.h"
#include "unit/catch.h"
#include "unit/fakes.h"

namespace stargazer::testing {

using namespace std::chrono_literals;

using Answer = LeaseReply::Answer;

// The shipped times: ttl 30 s, heartbeat 10 s, soft stop 18 s, hard kill 25 s, request timeout 2 s, retry pause 1 s.
inline const LeaseTimes kTimes = lease_times(LeaseConfig{});
inline const Duration kPoll = kTimes.heartbeat / 3;

inline bool quiet(const LeaseEffects& effects) {
  return !effects.gained && !effects.recreated && !effects.lost && !effects.kill_workers && !effects.released &&
         effects.failure.empty() && effects.new_holder.empty() && effects.hold_off.empty() && !effects.request;
}

// What a store says whose clock goes with ours.
inline LeaseReply answered(Answer answer, Duration now, std::uint64_t epoch = 7) {
  LeaseReply reply;
  reply.answer = answer;
  reply.facts.epoch = epoch;
  reply.facts.server = "run-a";
  reply.facts.store_time = 1000000s + now;
  if (answer == Answer::kGranted) {
    reply.facts.holder = "this";
    reply.facts.own = true;
    reply.facts.remaining = 30s;
  }
  return reply;
}

inline LeaseReply held_by(const std::string& holder, Duration remaining, Duration now, std::uint64_t epoch = 7) {
  LeaseReply reply = answered(Answer::kHeld, now, epoch);
  reply.facts.holder = holder;
  reply.facts.remaining = remaining;
  return reply;
}

inline LeaseReply released_by(const std::string& holder, Duration now, std::uint64_t epoch = 7) {
  LeaseReply reply = answered(Answer::kFree, now, epoch);
  reply.facts.released_by = holder;
  return reply;
}

// The store says that this very node holds the lease.
inline LeaseReply own(Duration now, std::uint64_t epoch) {
  LeaseReply reply = held_by("this", 5s, now, epoch);
  reply.facts.own = true;
  return reply;
}

inline LeaseReply failed(const std::string& cause) {
  LeaseReply reply;
  reply.cause = cause;
  return reply;
}

// One node in the contest, and the last request it sent.
struct Contender {
  // It has seen this store before, so there is nothing to wait for at the first contact.
  explicit Contender(const LeaseMemory& memory = {7, "run-a"}, bool alone = false, const LeaseRules& rules = {})
      : lease({kTimes, true, alone, memory, rules}) {}

  Lease lease;
  Random random{1};
  LeaseRequest asked;
  bool workers_gone = true;

  LeaseEffects advance(Duration now) {
    LeaseEffects effects = lease.advance(at(now), workers_gone, 5, random);
    if (effects.request) asked = *effects.request;
    return effects;
  }
  // The reply to the last request arrives.
  LeaseEffects answer(LeaseReply reply, Duration now) {
    reply.id = asked.id;
    lease.on_reply(reply, at(now), random);
    return advance(now);
  }
};

// Looks at 0 s.
inline Contender candidate(Contender node = Contender()) {
  node.lease.start(at(0s));
  node.lease.on_store_reachable(at(0s));
  node.advance(0s);
  return node;
}

// Has asked for the lease at 0 s.
inline Contender asker() {
  Contender node = candidate();
  node.answer(released_by("old", 0s), 0s);
  return node;
}

// Granted by the request that was sent at 0 s; the reply came at 0.5 s. Its workers run.
inline Contender leader() {
  Contender node = asker();
  node.answer(answered(Answer::kGranted, 500ms, 8), 500ms);
  node.workers_gone = false;
  return node;
}

inline bool asks(const LeaseEffects& effects, LeaseAction action) {
  return effects.request && effects.request->action == action;
}

}  // namespace stargazer::testing
