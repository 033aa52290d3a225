#include "core/lease.h"

#include <string>
#include <utility>

#include "unit/catch.h"
#include "unit/fakes.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

using Answer = LeaseReply::Answer;

// The shipped times: ttl 30 s, heartbeat 10 s, soft stop 18 s, hard kill 25 s, request timeout 2 s, retry pause 1 s.
const LeaseTimes kTimes = lease_times(LeaseConfig{});

bool quiet(const LeaseEffects& effects) {
  return !effects.gained && !effects.lost && !effects.kill_workers && !effects.released && effects.failure.empty() &&
         effects.new_holder.empty() && !effects.request;
}

LeaseReply held_by(const std::string& holder, Duration remaining) {
  LeaseReply reply;
  reply.answer = Answer::kHeld;
  reply.holder = holder;
  reply.remaining = remaining;
  return reply;
}

LeaseReply failed(const std::string& cause) {
  LeaseReply reply;
  reply.cause = cause;
  return reply;
}

LeaseReply answered(Answer answer) {
  LeaseReply reply;
  reply.answer = answer;
  return reply;
}

// One node in the contest, and the last request it sent.
struct Node {
  Lease lease{kTimes, true};
  Random random{1};
  LeaseRequestId asked = 0;
  bool workers_gone = true;

  LeaseEffects advance(Duration now) {
    LeaseEffects effects = lease.advance(at(now), workers_gone);
    if (effects.request) asked = effects.request->id;
    return effects;
  }
  // The reply to the last request arrives.
  LeaseEffects answer(LeaseReply reply, Duration now) {
    reply.id = asked;
    lease.on_reply(reply, at(now), random);
    return advance(now);
  }
};

// Asks at 0 s.
Node candidate() {
  Node node;
  node.lease.start(at(0s));
  node.lease.on_store_reachable(at(0s));
  node.advance(0s);
  return node;
}

// Granted by the request that was sent at 0 s; the reply came at 0.5 s. Its workers run.
Node leader() {
  Node node = candidate();
  node.answer(answered(Answer::kGranted), 500ms);
  node.workers_gone = false;
  return node;
}

bool asks(const LeaseEffects& effects, LeaseAction action) {
  return effects.request && effects.request->action == action;
}

}  // namespace

TEST_CASE("a node asks for the lease when the store is reachable", "[lease]") {
  Node node;
  CHECK(node.lease.next_wake() == kNever);
  node.lease.start(at(0s));
  SECTION("at once when that is reported") {
    node.lease.on_store_reachable(at(300ms));
    CHECK(node.lease.next_wake() == at(300ms));
    CHECK(asks(node.advance(300ms), LeaseAction::kAcquire));
  }
  SECTION("after retry_pause when it is not") {
    CHECK(node.lease.next_wake() == at(1s));
    CHECK(quiet(node.advance(1s - 1ns)));
    CHECK(asks(node.advance(1s), LeaseAction::kAcquire));
  }
}

TEST_CASE("a granted node is leader, and its time counts from sending", "[lease]") {
  Node node = candidate();
  const LeaseEffects effects = node.answer(answered(Answer::kGranted), 1900ms);
  CHECK(effects.gained);
  CHECK(node.lease.leader());
  CHECK(node.lease.hard_kill_at() == at(25s));
  CHECK(node.lease.next_wake() == at(10s));
}

TEST_CASE("a reply that comes at request_timeout or later is ignored", "[lease]") {
  Node node = candidate();
  const LeaseEffects effects = node.answer(answered(Answer::kGranted), 2s);
  CHECK_FALSE(effects.gained);
  CHECK_FALSE(node.lease.leader());
  CHECK(effects.failure == "no answer within 2s");
  CHECK(effects.retry_in == 10s);
  CHECK(quiet(node.answer(answered(Answer::kGranted), 3s)));
}

TEST_CASE("a reply to another request is ignored", "[lease]") {
  Node node = candidate();
  ++node.asked;
  CHECK(quiet(node.answer(answered(Answer::kGranted), 100ms)));
  CHECK_FALSE(node.lease.leader());
}

TEST_CASE("the leader renews a heartbeat after it sent its last granted request", "[lease]") {
  Node node = leader();
  CHECK(quiet(node.advance(10s - 1ns)));
  CHECK(asks(node.advance(10s), LeaseAction::kRenew));
  node.answer(answered(Answer::kGranted), 11500ms);
  CHECK(node.lease.next_wake() == at(20s));
  CHECK(node.lease.hard_kill_at() == at(35s));
}

TEST_CASE("a renewal that is not answered is tried again until the soft stop", "[lease]") {
  Node node = leader();
  // Three tries fit: sent at 10, 13 and 16 s, given up 2 s later.
  for (const Duration sent : {10s, 13s, 16s}) {
    CHECK(node.lease.next_wake() == at(sent));
    CHECK(asks(node.advance(sent), LeaseAction::kRenew));
    CHECK(node.lease.next_wake() == at(sent + 2s));
    CHECK(node.lease.leader());
    node.advance(sent + 2s);
  }
  CHECK_FALSE(node.lease.leader());
}

TEST_CASE("the last try before the soft stop can save the leader", "[lease]") {
  Node node = leader();
  for (const Duration sent : {10s, 13s}) {
    node.advance(sent);
    node.advance(sent + 2s);
  }
  node.advance(16s);
  node.answer(answered(Answer::kGranted), 18s - 1ns);
  CHECK(quiet(node.advance(18s)));
  CHECK(node.lease.leader());
  CHECK(node.lease.hard_kill_at() == at(41s));
}

TEST_CASE("a failed renewal is tried again after retry_pause", "[lease]") {
  Node node = leader();
  node.advance(10s);
  const LeaseEffects effects = node.answer(failed("LOADING"), 10100ms);
  CHECK(effects.failure == "LOADING");
  CHECK(effects.retry_in == 1s);
  CHECK(node.lease.next_wake() == at(11100ms));
  CHECK(asks(node.advance(11100ms), LeaseAction::kRenew));
}

TEST_CASE("a failure is told once until its cause changes or a request succeeds", "[lease]") {
  Node node = candidate();
  CHECK(node.answer(failed("LOADING"), 0s).failure == "LOADING");
  node.advance(10s);
  CHECK(node.answer(failed("LOADING"), 10s).failure.empty());
  node.advance(20s);
  CHECK(node.answer(failed("READONLY"), 20s).failure == "READONLY");
  node.advance(30s);
  const Answer success = GENERATE(Answer::kGranted, Answer::kHeld, Answer::kMissing);
  node.answer(answered(success), 30s);
  const Duration next = node.lease.next_wake().time_since_epoch();
  node.advance(next);
  CHECK(node.answer(failed("READONLY"), next).failure == "READONLY");
}

TEST_CASE("unrenewed, workers are stopped at the soft stop and killed at the hard kill", "[lease]") {
  Node node = leader();
  node.advance(10s);
  node.advance(12s);
  node.advance(13s);
  node.advance(15s);
  node.advance(16s);
  CHECK(quiet(node.advance(18s - 1ns)));

  const LeaseEffects soft = node.advance(18s);
  CHECK(soft.lost);
  CHECK(soft.reason == "not renewed for 18 s");
  CHECK_FALSE(soft.kill_workers);
  CHECK_FALSE(node.lease.leader());

  CHECK(node.lease.next_wake() == at(25s));
  CHECK(quiet(node.advance(25s - 1ns)));
  const LeaseEffects hard = node.advance(25s);
  CHECK(hard.kill_workers);
  CHECK_FALSE(hard.lost);
  CHECK(quiet(node.advance(26s)));  // once is enough
}

TEST_CASE("a node that was stopped for longer than the lease gives up everything at once", "[lease]") {
  Node node = leader();
  node.advance(10s);
  const LeaseEffects effects = node.answer(answered(Answer::kGranted), 300s);
  CHECK(effects.lost);
  CHECK(effects.kill_workers);
  CHECK_FALSE(effects.request);
  CHECK(node.lease.next_wake() == kNever);  // only the end of its workers moves it on
}

TEST_CASE("a renewal that arrives while the node surrenders does not bring the lease back", "[lease]") {
  Node node = leader();
  for (const Duration now : {10s, 12s, 13s, 15s}) node.advance(now);
  node.advance(17s);
  CHECK(node.advance(18s).lost);
  CHECK_FALSE(node.answer(answered(Answer::kGranted), 18500ms).gained);
  CHECK_FALSE(node.lease.leader());
  CHECK(node.advance(25s).kill_workers);
}

TEST_CASE("a leader stops its workers when", "[lease]") {
  Node node = leader();
  node.advance(10s);
  SECTION("another node holds the lease") {
    const LeaseEffects effects = node.answer(held_by("other", 30s), 10100ms);
    CHECK(effects.lost);
    CHECK(effects.reason == "lost to other");
    CHECK(effects.new_holder == "other");
  }
  SECTION("its key has vanished") {
    const LeaseEffects effects = node.answer(answered(Answer::kMissing), 10100ms);
    CHECK(effects.lost);
    CHECK(effects.reason == "its key has vanished from the store");
  }
  CHECK_FALSE(node.lease.leader());
  CHECK(node.advance(25s).kill_workers);
}

TEST_CASE("a node that surrendered follows again when its last worker has gone", "[lease]") {
  Node node = leader();
  node.advance(10s);
  node.answer(answered(Answer::kMissing), 10s);
  CHECK(quiet(node.advance(12s)));
  node.workers_gone = true;
  CHECK(asks(node.advance(14s), LeaseAction::kAcquire));
  CHECK(node.answer(answered(Answer::kGranted), 14s).gained);
  CHECK(node.lease.hard_kill_at() == at(39s));
}

TEST_CASE("a second term has its own hard kill", "[lease]") {
  Node node = leader();
  node.advance(10s);
  CHECK(node.advance(26s).kill_workers);
  node.workers_gone = true;
  CHECK(asks(node.advance(27s), LeaseAction::kAcquire));
  node.answer(answered(Answer::kGranted), 27s);
  node.workers_gone = false;
  node.advance(37s);
  CHECK(node.advance(45s).lost);
  CHECK(node.advance(52s).kill_workers);
}

TEST_CASE("a follower asks again just after the lease expires", "[lease]") {
  Node node = candidate();
  const LeaseEffects effects = node.answer(held_by("other", 4s), 500ms);
  CHECK(effects.new_holder == "other");
  CHECK(node.lease.next_wake() >= at(4500ms));
  CHECK(node.lease.next_wake() <= at(4700ms));  // a fiftieth of the heartbeat later at most
}

TEST_CASE("a follower asks at least once a heartbeat, and not in step with others", "[lease]") {
  Node node = candidate();
  node.answer(held_by("other", GENERATE(Duration(30s), Duration(0s))), 0s);
  CHECK(node.lease.next_wake() >= at(9s));
  CHECK(node.lease.next_wake() <= at(10s));
  CHECK(node.lease.next_wake() != at(10s));
}

TEST_CASE("each holder is told once", "[lease]") {
  Node node = candidate();
  const auto see = [&node](const char* holder, Duration now) {
    node.advance(now);
    return node.answer(held_by(holder, 1s), now).new_holder;
  };
  CHECK(see("a", 0s) == "a");
  CHECK(see("a", 10s).empty());
  CHECK(see("b", 20s) == "b");
  CHECK(see("a", 30s) == "a");
}

TEST_CASE("a holder that takes the lease back from this node is told again", "[lease]") {
  Node node = candidate();
  CHECK(node.answer(held_by("a", 1s), 0s).new_holder == "a");
  node.advance(2s);
  CHECK(node.answer(answered(Answer::kGranted), 2s).gained);
  node.advance(12s);
  CHECK(node.answer(held_by("a", 30s), 12s).new_holder == "a");
}

TEST_CASE("a store that is reachable again is asked at once", "[lease]") {
  SECTION("by a follower that waits") {
    Node node = candidate();
    node.answer(failed("gone"), 0s);
    CHECK(node.lease.next_wake() == at(10s));
    node.lease.on_store_reachable(at(3s));
    CHECK(asks(node.advance(3s), LeaseAction::kAcquire));
  }
  SECTION("by a leader that waits") {
    Node node = leader();
    node.lease.on_store_reachable(at(3s));
    CHECK(asks(node.advance(3s), LeaseAction::kRenew));
  }
  SECTION("but not while a request is out") {
    Node node = candidate();
    node.lease.on_store_reachable(at(1s));
    CHECK(quiet(node.advance(1s)));
  }
  SECTION("nor by a node that surrenders") {
    Node node = leader();
    node.advance(18s);
    node.advance(20s);
    node.lease.on_store_reachable(at(21s));
    CHECK(quiet(node.advance(21s)));
  }
}

TEST_CASE("an answer to a question that was not asked stalls nothing", "[lease]") {
  Node node = candidate();
  node.answer(answered(Answer::kReleased), 0s);
  CHECK_FALSE(node.lease.leader());
  CHECK(node.lease.next_wake() <= at(10s));
}

TEST_CASE("a follower that stops releases all the same: an acquire of its may still take effect", "[lease]") {
  Node node = candidate();
  if (GENERATE(true, false)) node.answer(held_by("other", 30s), 100ms);
  node.lease.stop();
  CHECK(asks(node.advance(1s), LeaseAction::kRelease));
  CHECK_FALSE(node.lease.ended());
  CHECK_FALSE(node.answer(held_by("other", 30s), 1100ms).released);
  CHECK(node.lease.ended());
  CHECK(node.lease.next_wake() == kNever);
}

TEST_CASE("the reply to an acquire that was out at the stop does not make a leader", "[lease]") {
  Node node = candidate();
  const LeaseRequestId acquire = node.asked;
  node.lease.stop();
  node.advance(100ms);
  node.asked = acquire;
  CHECK(quiet(node.answer(answered(Answer::kGranted), 200ms)));
  CHECK_FALSE(node.lease.leader());
}

TEST_CASE("a leader that stops keeps the lease until its workers are gone, then releases it", "[lease]") {
  Node node = leader();
  node.lease.stop();
  CHECK(quiet(node.advance(1s)));
  CHECK(asks(node.advance(10s), LeaseAction::kRenew));
  node.answer(answered(Answer::kGranted), 10s);
  CHECK(node.lease.leader());

  node.workers_gone = true;
  CHECK(asks(node.advance(11s), LeaseAction::kRelease));
  CHECK_FALSE(node.lease.leader());
  CHECK(node.answer(answered(Answer::kReleased), 11100ms).released);
  CHECK(node.lease.ended());
}

TEST_CASE("a leader that stops still surrenders in time", "[lease]") {
  Node node = leader();
  node.lease.stop();
  node.advance(10s);
  CHECK(node.advance(18s).lost);
  CHECK(node.advance(25s).kill_workers);
  node.workers_gone = true;
  CHECK(asks(node.advance(26s), LeaseAction::kRelease));
}

TEST_CASE("a release ends the contest when", "[lease]") {
  Node node = leader();
  node.lease.stop();
  node.workers_gone = true;
  REQUIRE(asks(node.advance(1s), LeaseAction::kRelease));
  SECTION("it failed") {
    CHECK_FALSE(node.answer(failed("gone"), 2s).released);
  }
  SECTION("another node holds the lease") {
    CHECK_FALSE(node.answer(held_by("other", 1s), 2s).released);
  }
  SECTION("it is not answered in time") {
    CHECK(node.lease.next_wake() == at(3s));
    CHECK(quiet(node.advance(3s)));
  }
  CHECK(node.lease.ended());
}

TEST_CASE("a stop before the start and a second stop are harmless", "[lease]") {
  Lease idle(kTimes, true);
  idle.stop();
  CHECK(idle.ended());

  Node node = leader();
  node.workers_gone = true;
  node.lease.stop();
  node.advance(1s);
  node.lease.stop();
  CHECK(quiet(node.advance(2s)));
  node.answer(answered(Answer::kReleased), 2s);
  CHECK(node.lease.ended());
}

TEST_CASE("without a store a node is leader from the start to the stop", "[lease]") {
  Lease lease(kTimes, false);
  lease.start(at(0s));
  CHECK(lease.leader());
  CHECK(lease.advance(at(0s), true).gained);
  CHECK(quiet(lease.advance(at(0s), true)));
  CHECK(quiet(lease.advance(at(1000h), false)));
  CHECK(lease.next_wake() == kNever);
  lease.stop();
  CHECK(quiet(lease.advance(at(1000h), false)));
  CHECK(lease.leader());
  CHECK(quiet(lease.advance(at(1001h), true)));
  CHECK_FALSE(lease.leader());
  CHECK(lease.ended());
}
