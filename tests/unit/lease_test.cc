#include "core/lease.h"

#include <string>

#include "unit/lease_contender.h"

using namespace std::chrono_literals;
using namespace stargazer;
using namespace stargazer::testing;

TEST_CASE("a node asks for the lease when the store is reachable", "[lease]") {
  Contender node;
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
  Contender node = asker();
  const LeaseEffects effects = node.answer(answered(Answer::kGranted, 1900ms, 8), 1900ms);
  CHECK(node.lease.epoch() == 8);
  CHECK(effects.gained);
  CHECK(node.lease.leader());
  CHECK(node.lease.hard_kill_at() == at(25s));
  CHECK(node.lease.next_wake() == at(10s));
}

TEST_CASE("a reply that comes at request_timeout or later is ignored", "[lease]") {
  Contender node = asker();
  const LeaseEffects effects = node.answer(answered(Answer::kGranted, 2s, 8), 2s);
  CHECK_FALSE(effects.gained);
  CHECK_FALSE(node.lease.leader());
  CHECK(effects.failure == "no answer within 2s");
  CHECK(effects.retry_in > 2s);
  CHECK(effects.retry_in <= kPoll);
  CHECK(quiet(node.answer(answered(Answer::kGranted, 3s, 8), 3s)));
}

TEST_CASE("a reply to another request is ignored", "[lease]") {
  Contender node = candidate();
  ++node.asked.id;
  CHECK(quiet(node.answer(answered(Answer::kGranted, 100ms, 8), 100ms)));
  CHECK_FALSE(node.lease.leader());
}

TEST_CASE("the leader renews a heartbeat after it sent its last granted request", "[lease]") {
  Contender node = leader();
  CHECK(quiet(node.advance(10s - 1ns)));
  CHECK(asks(node.advance(10s), LeaseAction::kRenew));
  node.answer(answered(Answer::kGranted, 11500ms, 8), 11500ms);
  CHECK(node.lease.next_wake() == at(20s));
  CHECK(node.lease.hard_kill_at() == at(35s));
}

TEST_CASE("a renewal that is not answered is tried again until the soft stop", "[lease]") {
  Contender node = leader();
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
  Contender node = leader();
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
  Contender node = leader();
  node.advance(10s);
  const LeaseEffects effects = node.answer(failed("LOADING"), 10100ms);
  CHECK(effects.failure == "LOADING");
  CHECK(effects.retry_in == 1s);
  CHECK(node.lease.next_wake() == at(11100ms));
  CHECK(asks(node.advance(11100ms), LeaseAction::kRenew));
}

TEST_CASE("a failure is told once until its cause changes or a request succeeds", "[lease]") {
  Contender node = candidate();
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
  Contender node = leader();
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
  Contender node = leader();
  node.advance(10s);
  const LeaseEffects effects = node.answer(answered(Answer::kGranted, 300s, 8), 300s);
  CHECK(effects.lost);
  CHECK(effects.kill_workers);
  CHECK_FALSE(effects.request);
  CHECK(node.lease.next_wake() == kNever);  // only the end of its workers moves it on
}

TEST_CASE("a renewal that arrives while the node surrenders does not bring the lease back", "[lease]") {
  Contender node = leader();
  for (const Duration now : {10s, 12s, 13s, 15s}) node.advance(now);
  node.advance(17s);
  CHECK(node.advance(18s).lost);
  CHECK_FALSE(node.answer(answered(Answer::kGranted, 18500ms, 8), 18500ms).gained);
  CHECK_FALSE(node.lease.leader());
  CHECK(node.advance(25s).kill_workers);
}

TEST_CASE("a leader stops its workers when", "[lease]") {
  Contender node = leader();
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
  Contender node = leader();
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
  Contender node = leader();
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

TEST_CASE("a follower that stops releases all the same: an acquire of its may still take effect", "[lease]") {
  Contender node = candidate();
  if (GENERATE(true, false)) node.answer(held_by("other", 30s, 100ms), 100ms);
  node.lease.stop();
  CHECK(asks(node.advance(1s), LeaseAction::kRelease));
  CHECK_FALSE(node.lease.ended());
  CHECK_FALSE(node.answer(held_by("other", 30s, 1100ms), 1100ms).released);
  CHECK(node.lease.ended());
  CHECK(node.lease.next_wake() == kNever);
}

TEST_CASE("the reply to an acquire that was out at the stop does not make a leader", "[lease]") {
  Contender node = asker();
  const LeaseRequest acquire = node.asked;
  node.lease.stop();
  node.advance(100ms);
  node.asked = acquire;
  CHECK(quiet(node.answer(answered(Answer::kGranted, 200ms, 8), 200ms)));
  CHECK_FALSE(node.lease.leader());
}

TEST_CASE("a leader that stops keeps the lease until its workers are gone, then releases it", "[lease]") {
  Contender node = leader();
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
  Contender node = leader();
  node.lease.stop();
  node.advance(10s);
  CHECK(node.advance(18s).lost);
  CHECK(node.advance(25s).kill_workers);
  node.workers_gone = true;
  CHECK(asks(node.advance(26s), LeaseAction::kRelease));
}

TEST_CASE("a release ends the contest when", "[lease]") {
  Contender node = leader();
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

  Contender node = leader();
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
