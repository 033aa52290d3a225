#include <string>

#include "core/lease.h"
#include "unit/lease_contender.h"

using namespace std::chrono_literals;
using namespace stargazer;
using namespace stargazer::testing;

TEST_CASE("a follower asks again just after the lease expires", "[lease]") {
  Contender node = candidate();
  const LeaseEffects effects = node.answer(held_by("other", 2s, 500ms), 500ms);
  CHECK(effects.new_holder == "other");
  CHECK(node.lease.next_wake() > at(2500ms));
  CHECK(node.lease.next_wake() <= at(2701ms));  // a fiftieth of the heartbeat later at most
}

TEST_CASE("a follower asks three times in a heartbeat, and not in step with others", "[lease]") {
  Contender node = candidate();
  node.answer(held_by("other", GENERATE(Duration(30s), kDurationMax), 0s), 0s);
  CHECK(node.lease.next_wake() >= at(2600ms));
  CHECK(node.lease.next_wake() < at(kPoll));
}

TEST_CASE("each holder is told once", "[lease]") {
  Contender node = candidate();
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
  Contender node = candidate();
  CHECK(node.answer(held_by("a", 30s, 0s), 0s).new_holder == "a");
  // It looks for a whole ttl, so that what follows the end of that term is no guess.
  for (Duration now = 9s; now < 30s; now += 9s) {
    node.advance(now);
    CHECK(node.answer(held_by("a", 30s, now), now).new_holder.empty());
  }
  node.advance(36s);
  node.answer(held_by("a", 21s, 36s), 36s);
  node.advance(45s);
  node.answer(held_by("a", 12s, 45s), 45s);
  node.advance(54s);
  node.answer(held_by("a", 3s, 54s), 54s);
  node.advance(58s);
  CHECK(asks(node.answer(answered(Answer::kFree, 58s), 58s), LeaseAction::kAcquire));
  CHECK(node.answer(answered(Answer::kGranted, 58s, 8), 58s).gained);
  node.advance(68s);
  CHECK(node.answer(held_by("a", 30s, 68s, 9), 68s).lost);
  node.advance(69s);
  CHECK(node.answer(held_by("a", 29s, 69s, 9), 69s).new_holder == "a");
}

TEST_CASE("a store that is reachable again is asked at once", "[lease]") {
  SECTION("by a follower that waits") {
    Contender node = candidate();
    node.answer(failed("gone"), 0s);
    CHECK(node.lease.next_wake() > at(2s));
    node.lease.on_store_reachable(at(2s));
    CHECK(asks(node.advance(2s), LeaseAction::kObserve));
  }
  SECTION("by a leader that waits") {
    Contender node = leader();
    node.lease.on_store_reachable(at(3s));
    CHECK(asks(node.advance(3s), LeaseAction::kRenew));
  }
  SECTION("but not while a request is out") {
    Contender node = candidate();
    node.lease.on_store_reachable(at(1s));
    CHECK(quiet(node.advance(1s)));
  }
  SECTION("nor by a node that surrenders") {
    Contender node = leader();
    node.advance(18s);
    node.advance(20s);
    node.lease.on_store_reachable(at(21s));
    CHECK(quiet(node.advance(21s)));
  }
}

TEST_CASE("an answer to a question that was not asked stalls nothing", "[lease]") {
  Contender node = candidate();
  CHECK(node.answer(answered(Answer::kReleased, 0s), 0s).failure == "answered as if asked to release");
  CHECK_FALSE(node.lease.leader());
  CHECK(node.lease.next_wake() <= at(kPoll));
}

TEST_CASE("a claim names what it was decided on, and an epoch above all that the node knows", "[lease]") {
  SECTION("above what it remembers from before its start") {
    Contender node = candidate(Contender({40, "run-z"}, true));
    node.answer(answered(Answer::kFree, 0s), 0s);
    CHECK(node.asked.claim.epoch == 41);
    CHECK(node.asked.claim.expected_epoch == 7);
    CHECK(node.asked.claim.expected_server == "run-a");
  }
  SECTION("not below the floor, which goes with the time of day") {
    Contender node = candidate(Contender({1, "run-a"}, true));
    node.answer(answered(Answer::kFree, 0s, 1), 0s);
    CHECK(node.asked.claim.epoch == 5);
  }
}

TEST_CASE("a claim that no longer holds is judged anew", "[lease]") {
  Contender node = asker();
  CHECK(node.asked.action == LeaseAction::kAcquire);
  SECTION("somebody was faster") {
    CHECK(node.answer(held_by("other", 30s, 0s, 8), 0s).new_holder == "other");
  }
  SECTION("a whole term went by unseen") {
    const LeaseEffects effects = node.answer(answered(Answer::kFree, 0s, 8), 0s);
    CHECK_FALSE(effects.request);
    CHECK(effects.hold_off_for == kTimes.outlived());
  }
  CHECK_FALSE(node.lease.leader());
}

TEST_CASE("a leader whose key has vanished sets it again under its own epoch", "[lease]") {
  Contender node = leader();
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
  Contender node = asker();
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
  Contender node = candidate();
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
    Contender other = leader();
    other.lease.on_announced(at(1s), other.random);
    CHECK(other.lease.next_wake() == at(10s));
  }
}

TEST_CASE("a follower that must hold off says so once and looks again when it is over", "[lease]") {
  Contender node = candidate(Contender({}, false));
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
  Contender node = candidate(Contender({}, true));
  CHECK(asks(node.answer(answered(Answer::kFree, 0s, 0), 0s), LeaseAction::kAcquire));
}
