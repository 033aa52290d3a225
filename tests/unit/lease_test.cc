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
const Duration kPoll = kTimes.heartbeat / 3;

bool quiet(const LeaseEffects& effects) {
  return !effects.gained && !effects.recreated && !effects.lost && !effects.kill_workers && !effects.released &&
         effects.failure.empty() && effects.new_holder.empty() && effects.hold_off.empty() && !effects.request;
}

// What a store says whose clock goes with ours.
LeaseReply answered(Answer answer, Duration now, std::uint64_t epoch = 7) {
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

LeaseReply held_by(const std::string& holder, Duration remaining, Duration now, std::uint64_t epoch = 7) {
  LeaseReply reply = answered(Answer::kHeld, now, epoch);
  reply.facts.holder = holder;
  reply.facts.remaining = remaining;
  return reply;
}

LeaseReply released_by(const std::string& holder, Duration now, std::uint64_t epoch = 7) {
  LeaseReply reply = answered(Answer::kFree, now, epoch);
  reply.facts.released_by = holder;
  return reply;
}

// The store says that this very node holds the lease.
LeaseReply own(Duration now, std::uint64_t epoch) {
  LeaseReply reply = held_by("this", 5s, now, epoch);
  reply.facts.own = true;
  return reply;
}

LeaseReply failed(const std::string& cause) {
  LeaseReply reply;
  reply.cause = cause;
  return reply;
}

// One node in the contest, and the last request it sent.
struct Node {
  // It has seen this store before, so there is nothing to wait for at the first contact.
  explicit Node(const LeaseMemory& memory = {7, "run-a"}, bool alone = false, const LeaseRules& rules = {})
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
Node candidate(Node node = Node()) {
  node.lease.start(at(0s));
  node.lease.on_store_reachable(at(0s));
  node.advance(0s);
  return node;
}

// Has asked for the lease at 0 s.
Node asker() {
  Node node = candidate();
  node.answer(released_by("old", 0s), 0s);
  return node;
}

// Granted by the request that was sent at 0 s; the reply came at 0.5 s. Its workers run.
Node leader() {
  Node node = asker();
  node.answer(answered(Answer::kGranted, 500ms, 8), 500ms);
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
    CHECK(asks(node.advance(300ms), LeaseAction::kObserve));
  }
  SECTION("after retry_pause when it is not") {
    CHECK(node.lease.next_wake() == at(1s));
    CHECK(quiet(node.advance(1s - 1ns)));
    CHECK(asks(node.advance(1s), LeaseAction::kObserve));
  }
}

TEST_CASE("a granted node is leader, and its time counts from sending", "[lease]") {
  Node node = asker();
  const LeaseEffects effects = node.answer(answered(Answer::kGranted, 1900ms, 8), 1900ms);
  CHECK(node.lease.epoch() == 8);
  CHECK(effects.gained);
  CHECK(node.lease.leader());
  CHECK(node.lease.hard_kill_at() == at(25s));
  CHECK(node.lease.next_wake() == at(10s));
}

TEST_CASE("a reply that comes at request_timeout or later is ignored", "[lease]") {
  Node node = asker();
  const LeaseEffects effects = node.answer(answered(Answer::kGranted, 2s, 8), 2s);
  CHECK_FALSE(effects.gained);
  CHECK_FALSE(node.lease.leader());
  CHECK(effects.failure == "no answer within 2s");
  CHECK(effects.retry_in > 2s);
  CHECK(effects.retry_in <= kPoll);
  CHECK(quiet(node.answer(answered(Answer::kGranted, 3s, 8), 3s)));
}

TEST_CASE("a reply to another request is ignored", "[lease]") {
  Node node = candidate();
  ++node.asked.id;
  CHECK(quiet(node.answer(answered(Answer::kGranted, 100ms, 8), 100ms)));
  CHECK_FALSE(node.lease.leader());
}

TEST_CASE("the leader renews a heartbeat after it sent its last granted request", "[lease]") {
  Node node = leader();
  CHECK(quiet(node.advance(10s - 1ns)));
  CHECK(asks(node.advance(10s), LeaseAction::kRenew));
  node.answer(answered(Answer::kGranted, 11500ms, 8), 11500ms);
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
  node.answer(answered(Answer::kGranted, 18s - 1ns, 8), 18s - 1ns);
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
  node.answer(held_by("other", 30s, 30s), 30s);
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
  const LeaseEffects effects = node.answer(answered(Answer::kGranted, 300s, 8), 300s);
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
  CHECK_FALSE(node.answer(answered(Answer::kGranted, 18500ms, 8), 18500ms).gained);
  CHECK_FALSE(node.lease.leader());
  CHECK(node.advance(25s).kill_workers);
}

TEST_CASE("a leader stops its workers when", "[lease]") {
  Node node = leader();
  node.advance(10s);
  SECTION("another node holds the lease") {
    const LeaseEffects effects = node.answer(held_by("other", 30s, 10100ms), 10100ms);
    CHECK(effects.lost);
    CHECK(effects.reason == "lost to other");
  }
  SECTION("the store holds an older term of its own") {
    LeaseReply older = held_by("this", 30s, 10100ms, 6);
    older.facts.own = true;
    const LeaseEffects effects = node.answer(older, 10100ms);
    CHECK(effects.lost);
    CHECK(effects.reason == "Redis holds an older term of this node");
  }
  SECTION("its key has vanished after a later term") {
    const LeaseEffects effects = node.answer(answered(Answer::kFree, 10100ms, 9), 10100ms);
    CHECK(effects.lost);
    CHECK(effects.reason == "its key has vanished, and a later term has been granted meanwhile");
  }
  CHECK_FALSE(node.lease.leader());
  CHECK(node.advance(25s).kill_workers);
}

TEST_CASE("a node that surrendered follows again when its last worker has gone", "[lease]") {
  Node node = leader();
  node.advance(10s);
  node.answer(held_by("other", 30s, 10s, 9), 10s);
  CHECK(quiet(node.advance(12s)));
  node.workers_gone = true;
  CHECK(asks(node.advance(14s), LeaseAction::kObserve));
  CHECK(asks(node.answer(released_by("other", 14s, 9), 14s), LeaseAction::kAcquire));
  CHECK(node.answer(answered(Answer::kGranted, 14s, 10), 14s).gained);
  CHECK(node.lease.hard_kill_at() == at(39s));
  CHECK(node.lease.epoch() == 10);
}

TEST_CASE("a second term has its own hard kill", "[lease]") {
  Node node = leader();
  node.advance(10s);
  CHECK(node.advance(26s).kill_workers);
  node.workers_gone = true;
  CHECK(asks(node.advance(27s), LeaseAction::kObserve));
  node.answer(own(27s, 8), 27s);
  CHECK(node.asked.action == LeaseAction::kRenew);
  node.answer(answered(Answer::kGranted, 27s, 8), 27s);
  node.workers_gone = false;
  node.advance(37s);
  CHECK(node.advance(45s).lost);
  CHECK(node.advance(52s).kill_workers);
}

TEST_CASE("a follower asks again just after the lease expires", "[lease]") {
  Node node = candidate();
  const LeaseEffects effects = node.answer(held_by("other", 2s, 500ms), 500ms);
  CHECK(effects.new_holder == "other");
  CHECK(node.lease.next_wake() > at(2500ms));
  CHECK(node.lease.next_wake() <= at(2701ms));  // a fiftieth of the heartbeat later at most
}

TEST_CASE("a follower asks three times in a heartbeat, and not in step with others", "[lease]") {
  Node node = candidate();
  node.answer(held_by("other", GENERATE(Duration(30s), kDurationMax), 0s), 0s);
  CHECK(node.lease.next_wake() >= at(2600ms));
  CHECK(node.lease.next_wake() < at(kPoll));
}

TEST_CASE("each holder is told once", "[lease]") {
  Node node = candidate();
  const auto see = [&node](const char* holder, Duration now) {
    node.advance(now);
    return node.answer(held_by(holder, 1s, now), now).new_holder;
  };
  CHECK(see("a", 0s) == "a");
  CHECK(see("a", 10s).empty());
  CHECK(see("b", 20s) == "b");
  CHECK(see("a", 30s) == "a");
}

TEST_CASE("a holder that takes the lease back from this node is told again", "[lease]") {
  Node node = candidate();
  CHECK(node.answer(held_by("a", 2s, 0s), 0s).new_holder == "a");
  node.advance(3s);
  CHECK(asks(node.answer(answered(Answer::kFree, 3s), 3s), LeaseAction::kAcquire));
  CHECK(node.answer(answered(Answer::kGranted, 3s, 8), 3s).gained);
  node.advance(13s);
  CHECK(node.answer(held_by("a", 30s, 13s, 9), 13s).lost);
  node.advance(14s);
  CHECK(node.answer(held_by("a", 29s, 14s, 9), 14s).new_holder == "a");
}

TEST_CASE("a store that is reachable again is asked at once", "[lease]") {
  SECTION("by a follower that waits") {
    Node node = candidate();
    node.answer(failed("gone"), 0s);
    CHECK(node.lease.next_wake() > at(2s));
    node.lease.on_store_reachable(at(2s));
    CHECK(asks(node.advance(2s), LeaseAction::kObserve));
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
  CHECK(node.answer(answered(Answer::kReleased, 0s), 0s).failure == "answered as if asked to release");
  CHECK_FALSE(node.lease.leader());
  CHECK(node.lease.next_wake() <= at(kPoll));
}

TEST_CASE("a follower that stops releases all the same: an acquire of its may still take effect", "[lease]") {
  Node node = candidate();
  if (GENERATE(true, false)) node.answer(held_by("other", 30s, 100ms), 100ms);
  node.lease.stop();
  CHECK(asks(node.advance(1s), LeaseAction::kRelease));
  CHECK_FALSE(node.lease.ended());
  CHECK_FALSE(node.answer(held_by("other", 30s, 1100ms), 1100ms).released);
  CHECK(node.lease.ended());
  CHECK(node.lease.next_wake() == kNever);
}

TEST_CASE("the reply to an acquire that was out at the stop does not make a leader", "[lease]") {
  Node node = asker();
  const LeaseRequest acquire = node.asked;
  node.lease.stop();
  node.advance(100ms);
  node.asked = acquire;
  CHECK(quiet(node.answer(answered(Answer::kGranted, 200ms, 8), 200ms)));
  CHECK_FALSE(node.lease.leader());
}

TEST_CASE("a leader that stops keeps the lease until its workers are gone, then releases it", "[lease]") {
  Node node = leader();
  node.lease.stop();
  CHECK(quiet(node.advance(1s)));
  CHECK(asks(node.advance(10s), LeaseAction::kRenew));
  node.answer(answered(Answer::kGranted, 10s, 8), 10s);
  CHECK(node.lease.leader());

  node.workers_gone = true;
  CHECK(asks(node.advance(11s), LeaseAction::kRelease));
  CHECK_FALSE(node.lease.leader());
  CHECK(node.answer(answered(Answer::kReleased, 11100ms), 11100ms).released);
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
    CHECK_FALSE(node.answer(held_by("other", 1s, 2s), 2s).released);
  }
  SECTION("it is not answered in time") {
    CHECK(node.lease.next_wake() == at(3s));
    CHECK(quiet(node.advance(3s)));
  }
  CHECK(node.lease.ended());
}

TEST_CASE("a stop before the start and a second stop are harmless", "[lease]") {
  Lease idle({kTimes, true, false, {}, {}});
  idle.stop();
  CHECK(idle.ended());

  Node node = leader();
  node.workers_gone = true;
  node.lease.stop();
  node.advance(1s);
  node.lease.stop();
  CHECK(quiet(node.advance(2s)));
  node.answer(answered(Answer::kReleased, 2s), 2s);
  CHECK(node.lease.ended());
}

TEST_CASE("without a store a node is leader from the start to the stop", "[lease]") {
  Random random{1};
  Lease lease({kTimes, false, false, {}, {}});
  lease.start(at(0s));
  CHECK(lease.leader());
  CHECK(lease.hard_kill_at() == kNever);
  CHECK(lease.advance(at(0s), true, 0, random).gained);
  CHECK(quiet(lease.advance(at(0s), true, 0, random)));
  CHECK(quiet(lease.advance(at(1000h), false, 0, random)));
  CHECK(lease.next_wake() == kNever);
  lease.stop();
  CHECK(quiet(lease.advance(at(1000h), false, 0, random)));
  CHECK(lease.leader());
  CHECK(quiet(lease.advance(at(1001h), true, 0, random)));
  CHECK_FALSE(lease.leader());
  CHECK(lease.ended());
}

TEST_CASE("a claim names what it was decided on, and an epoch above all that the node knows", "[lease]") {
  SECTION("above what it remembers from before its start") {
    Node node = candidate(Node({40, "run-z"}, true));
    node.answer(answered(Answer::kFree, 0s), 0s);
    CHECK(node.asked.claim.epoch == 41);
    CHECK(node.asked.claim.expected_epoch == 7);
    CHECK(node.asked.claim.expected_server == "run-a");
  }
  SECTION("not below the floor, which goes with the time of day") {
    Node node = candidate(Node({1, "run-a"}, true));
    node.answer(answered(Answer::kFree, 0s, 1), 0s);
    CHECK(node.asked.claim.epoch == 5);
  }
}

TEST_CASE("a claim that no longer holds is judged anew", "[lease]") {
  Node node = asker();
  CHECK(node.asked.action == LeaseAction::kAcquire);
  SECTION("somebody was faster") {
    CHECK(node.answer(held_by("other", 30s, 0s, 8), 0s).new_holder == "other");
  }
  SECTION("a whole term went by unseen") {
    const LeaseEffects effects = node.answer(answered(Answer::kFree, 0s, 8), 0s);
    CHECK_FALSE(effects.request);
    CHECK(effects.hold_off_for == 30s);
  }
  CHECK_FALSE(node.lease.leader());
}

TEST_CASE("a leader whose key has vanished sets it again under its own epoch", "[lease]") {
  Node node = leader();
  node.advance(10s);
  LeaseReply lost = answered(Answer::kFree, 10s, 0);
  lost.facts.server = "run-b";
  CHECK(asks(node.answer(lost, 10s), LeaseAction::kRecreate));
  CHECK(node.asked.claim.expected_epoch == 0);
  CHECK(node.asked.claim.expected_server == "run-b");
  CHECK(node.asked.claim.epoch == 8);
  SECTION("and leads on") {
    const LeaseEffects effects = node.answer(answered(Answer::kGranted, 10500ms, 8), 10500ms);
    CHECK(effects.recreated);
    CHECK_FALSE(effects.gained);
    CHECK(node.lease.leader());
    CHECK(node.lease.hard_kill_at() == at(35s));
  }
  SECTION("unless somebody was faster") {
    CHECK(node.answer(held_by("other", 30s, 10s, 1), 10s).lost);
  }
  SECTION("and tries again after a pause when the store has changed meanwhile") {
    CHECK(quiet(node.answer(answered(Answer::kFree, 10s, 0), 10s)));
    CHECK(node.lease.next_wake() == at(11s));
    CHECK(asks(node.advance(11s), LeaseAction::kRecreate));
  }
  SECTION("but not after its soft stop") {
    node.advance(12s);
    node.advance(13s);
    CHECK(node.answer(answered(Answer::kFree, 14s, 0), 14s).request->action == LeaseAction::kRecreate);
    node.advance(17s);
    const LeaseEffects effects = node.answer(answered(Answer::kFree, 18s, 0), 18s);
    CHECK(effects.lost);
    CHECK_FALSE(effects.request);
  }
}

TEST_CASE("a node that is found to be the holder renews and leads", "[lease]") {
  Node node = asker();
  node.advance(2s);  // the grant of epoch 8 was lost on its way
  node.advance(6s);
  CHECK(node.asked.action == LeaseAction::kObserve);
  SECTION("the term that it was not told of") {
    CHECK(asks(node.answer(own(6s, 8), 6s), LeaseAction::kRenew));
    CHECK(node.asked.epoch == 8);
    CHECK(node.answer(answered(Answer::kGranted, 6s, 8), 6s).gained);
    CHECK(node.lease.epoch() == 8);
  }
  SECTION("but not in a store that may have lost later terms") {
    LeaseReply elsewhere = own(6s, 8);
    elsewhere.facts.server = "run-b";
    CHECK(quiet(node.answer(elsewhere, 6s)));
    CHECK_FALSE(node.lease.leader());
  }
  SECTION("nor a term that is older than one it has seen") {
    CHECK(quiet(node.answer(own(6s, 6), 6s)));
    CHECK_FALSE(node.lease.leader());
  }
}

TEST_CASE("a follower looks at once when a release is announced", "[lease]") {
  Node node = candidate();
  SECTION("while it waits") {
    node.answer(held_by("other", 30s, 0s), 0s);
    node.lease.on_announced(at(1s), node.random);
    CHECK(node.lease.next_wake() <= at(1010ms));
    CHECK(asks(node.advance(1010ms), LeaseAction::kObserve));
    CHECK(asks(node.answer(released_by("other", 1010ms), 1010ms), LeaseAction::kAcquire));
  }
  SECTION("again, when it was just looking") {
    node.lease.on_announced(at(100ms), node.random);
    CHECK(asks(node.answer(held_by("other", 30s, 200ms), 200ms), LeaseAction::kObserve));
    node.answer(held_by("other", 30s, 300ms), 300ms);
    CHECK(node.lease.next_wake() > at(2s));
  }
  SECTION("but a leader does not") {
    Node other = leader();
    other.lease.on_announced(at(1s), other.random);
    CHECK(other.lease.next_wake() == at(10s));
  }
}

TEST_CASE("a follower that must hold off says so once and looks again when it is over", "[lease]") {
  Node node = candidate(Node({}, false));
  const LeaseEffects effects = node.answer(answered(Answer::kFree, 0s, 0), 0s);
  CHECK_FALSE(effects.request);
  CHECK(effects.hold_off_for == 30s);
  CHECK(node.lease.why_not_leader(at(10s)) == "waits 20 s before it takes the lease: " + effects.hold_off);
  Duration now = 0s;
  while (now < 30s) {
    now = node.lease.next_wake().time_since_epoch();
    REQUIRE(asks(node.advance(now), LeaseAction::kObserve));
    if (now < 30s) {
      CHECK(quiet(node.answer(answered(Answer::kFree, now, 0), now)));
    }
  }
  CHECK(now <= 30201ms);
  CHECK(asks(node.answer(answered(Answer::kFree, now, 0), now), LeaseAction::kAcquire));
}

TEST_CASE("a node that is alone takes the lease at once", "[lease]") {
  Node node = candidate(Node({}, true));
  CHECK(asks(node.answer(answered(Answer::kFree, 0s, 0), 0s), LeaseAction::kAcquire));
}
