#include "core/succession.h"

#include <string>

#include "unit/catch.h"
#include "unit/fakes.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

// A candidate with a ttl of 30 s, for which a grant is over 27 s after it was first seen, and a store whose clock goes
// with its own unless it is set.
struct Candidate {
  explicit Candidate(const LeaseMemory& memory = {7, "run-a"}, bool alone = false, const LeaseRules& rules = {})
      : succession(30s, 27s, alone, memory, rules) {
    facts.epoch = 7;
    facts.grants = 70;
    facts.server = "run-a";
  }

  void see(Duration now) {
    facts.store_time = 1000000s + now + clock_step;
    facts.remaining = facts.holder.empty() ? Duration{} : expiry - facts.store_time;
    succession.observe(facts, at(now));
  }
  // A grant or renewal of a node that counts, at this moment of the store's clock.
  void granted(const std::string& holder, Duration now) {
    ++facts.grants;
    held_by(holder, now);
  }
  // … and of one that does not: the source's.
  void held_by(const std::string& holder, Duration now) {
    facts.holder = holder;
    facts.released_by.clear();
    expiry = 1000000s + now + clock_step + 30s;
  }
  void free(const std::string& released_by = "") {
    facts.holder.clear();
    facts.own = false;
    facts.released_by = released_by;
  }
  bool may_take(Duration now) const { return succession.may_take_at() <= at(now); }

  Succession succession;
  LeaseFacts facts;
  Duration expiry{};  // on the store's clock
  Duration clock_step{};
};

// Has known the store for long, and sees at 10 s that `a` was granted the lease at 8 s.
Candidate watcher() {
  Candidate candidate;
  candidate.granted("a", -60s);
  candidate.see(-60s);
  candidate.granted("a", 8s);
  candidate.see(10s);
  return candidate;
}

}  // namespace

TEST_CASE("nobody takes what somebody holds, or what was never looked at", "[succession]") {
  CHECK(Candidate().succession.may_take_at() == kNever);
  CHECK(watcher().succession.may_take_at() == kNever);
}

TEST_CASE("a lease that has expired in full view may be taken at once", "[succession]") {
  Candidate candidate = watcher();
  candidate.free();
  candidate.see(38s + 1ms);
  CHECK(candidate.may_take(38s + 1ms));
}

TEST_CASE("a key that is gone before its time may be taken when the last grant is over", "[succession]") {
  Candidate candidate = watcher();
  candidate.free();
  candidate.see(11s);
  CHECK(candidate.succession.may_take_at() == at(37s));
  CHECK(candidate.succession.reason() == "workers of the last term may live until its hard kill");
  candidate.see(20s);  // a second look starts nothing anew
  CHECK(candidate.succession.may_take_at() == at(37s));
}

TEST_CASE("each grant counts from when it was first seen", "[succession]") {
  Candidate candidate = watcher();
  SECTION("one that is seen again is the same") {
    candidate.see(20s);
    candidate.free();
    candidate.see(30s);
    CHECK(candidate.succession.may_take_at() == at(37s));
  }
  SECTION("a renewal is another") {
    candidate.granted("a", 18s);
    candidate.see(20s);
    candidate.free();
    candidate.see(21s);
    CHECK(candidate.succession.may_take_at() == at(47s));
  }
  SECTION("one that was never seen shows in the count") {
    candidate.granted("a", 18s);
    candidate.free();
    candidate.see(21s);
    CHECK(candidate.succession.may_take_at() == at(48s));
  }
  SECTION("a term that was never seen shows in the epoch") {
    ++candidate.facts.epoch;
    candidate.free();
    candidate.see(21s);
    CHECK(candidate.succession.may_take_at() == at(48s));
  }
  SECTION("one of a node that does not count shows in the key") {
    candidate.held_by("a", 18s);
    candidate.see(20s);
    candidate.free();
    candidate.see(21s);
    CHECK(candidate.succession.may_take_at() == at(47s));
  }
  SECTION("… also when its holder is another one, and the moment the same") {
    candidate.held_by("python", 8s);
    candidate.see(20s);
    candidate.free();
    candidate.see(21s);
    CHECK(candidate.succession.may_take_at() == at(47s));
  }
}

TEST_CASE("the store's clock may be set as it will", "[succession]") {
  Candidate candidate = watcher();
  SECTION("forward, which frees the key at once") {
    candidate.clock_step = 40s;
    candidate.free();
    candidate.see(11s);
    CHECK(candidate.succession.may_take_at() == at(37s));
  }
  SECTION("back, which is no new grant") {
    candidate.clock_step = -20s;
    candidate.see(20s);
    candidate.free();
    candidate.see(40s);
    CHECK(candidate.may_take(40s));
  }
  SECTION("back and forward around a renewal, and nobody looked between") {
    candidate.clock_step = -20s;
    candidate.granted("a", 18s);
    candidate.clock_step = 0s;
    candidate.see(20s);
    candidate.free();  // at 28 s, while the leader believes in its lease until 43 s
    candidate.see(28s + 1ms);
    CHECK(candidate.succession.may_take_at() == at(47s));
  }
}

TEST_CASE("a lease that was given up in order may be taken at once", "[succession]") {
  Candidate candidate = watcher();
  SECTION("by the holder that was seen") {
    candidate.free("a");
    candidate.see(12s);
    CHECK(candidate.may_take(12s));
    candidate.see(13s);
    CHECK(candidate.may_take(13s));
  }
  SECTION("by a later one that was not") {
    candidate.free("b");
    candidate.facts.epoch = 8;
    candidate.see(12s);
    CHECK(candidate.may_take(12s));
  }
  SECTION("after a renewal that was not seen") {
    ++candidate.facts.grants;
    candidate.free("a");
    candidate.see(12s);
    CHECK(candidate.may_take(12s));
  }
  SECTION("but an old word says nothing about a holder that leaves none") {
    candidate.free("b");
    candidate.see(12s);
    CHECK(candidate.succession.may_take_at() == at(37s));
  }
  SECTION("not when the store has changed: it may know an old release only") {
    candidate.free("a");
    candidate.facts.server = "run-b";
    candidate.see(12s);
    CHECK(candidate.succession.may_take_at() == at(42s));
  }
  SECTION("and is held again") {
    candidate.free("a");
    candidate.see(12s);
    candidate.granted("b", 13s);
    candidate.see(14s);
    candidate.free();
    candidate.see(15s);
    CHECK(candidate.succession.may_take_at() == at(41s));
  }
}

TEST_CASE("at the first contact", "[succession]") {
  Candidate stranger({0, ""});
  Candidate known;
  SECTION("a stranger waits, whatever the store says") {
    stranger.free("a");
    stranger.see(1s);
    CHECK(stranger.succession.may_take_at() == at(31s));
  }
  SECTION("a stranger that saw the holder expire waits all the same") {
    stranger.held_by("a", -27s);
    stranger.see(1s);
    stranger.free();
    stranger.see(4s);
    CHECK(stranger.succession.may_take_at() == at(31s));
  }
  SECTION("who knows the store takes what was given up in order") {
    known.free("a");
    known.see(1s);
    CHECK(known.may_take(1s));
  }
  SECTION("… but not what ended otherwise, before its workers are dead") {
    known.free();
    known.see(1s);
    CHECK(known.succession.may_take_at() == at(28s));
  }
  SECTION("… nor what is older than what it knows") {
    Candidate ahead({8, "run-a"});
    ahead.free("a");
    ahead.see(1s);
    CHECK(ahead.succession.may_take_at() == at(31s));
  }
  SECTION("nobody waits who is alone") {
    Candidate alone({0, ""}, true);
    alone.free();
    alone.see(1s);
    CHECK(alone.may_take(1s));
  }
}

TEST_CASE("a store that may have lost the last term is trusted one ttl later", "[succession]") {
  Candidate candidate = watcher();
  SECTION("it was restarted") {
    candidate.facts.server = "run-b";
  }
  SECTION("its epoch fell") {
    candidate.facts.epoch = 6;
  }
  SECTION("its count of grants fell") {
    candidate.facts.grants = 70;
  }
  candidate.see(20s);
  CHECK(candidate.succession.may_take_at() == kNever);
  candidate.free("a");
  candidate.see(45s);
  CHECK(candidate.succession.may_take_at() == at(50s));
}

TEST_CASE("the highest epoch is remembered over the loss of the data", "[succession]") {
  Candidate candidate = watcher();
  candidate.facts.epoch = 3;
  candidate.facts.server = "run-b";
  candidate.see(12s);
  CHECK(candidate.succession.memory() == LeaseMemory{7, "run-b"});
}

TEST_CASE("the end of this node's own term", "[succession]") {
  Candidate candidate = watcher();
  candidate.facts.epoch = 8;
  candidate.facts.own = true;
  candidate.granted("me", 20s);
  candidate.see(20s);
  candidate.free();
  SECTION("leaves nobody to wait for, however it came") {
    candidate.see(25s);
    CHECK(candidate.may_take(25s));
    candidate.see(26s);
    CHECK(candidate.may_take(26s));
  }
  SECTION("was not the last one") {
    candidate.facts.epoch = 9;
    candidate.see(25s);
    CHECK(candidate.succession.may_take_at() == at(52s));
  }
  SECTION("is not known of another server") {
    candidate.facts.server = "run-b";
    candidate.see(25s);
    CHECK(candidate.succession.may_take_at() == at(55s));
  }
}

TEST_CASE("a node that finds itself to be the holder", "[succession]") {
  Candidate candidate = watcher();
  candidate.facts.own = true;
  candidate.granted("me", 20s);
  SECTION("may go on") {
    ++candidate.facts.epoch;
    candidate.see(20s);
    CHECK(candidate.succession.may_resume());
  }
  SECTION("not under an epoch that is older than what it has seen") {
    candidate.facts.epoch = 6;
    candidate.see(20s);
    CHECK_FALSE(candidate.succession.may_resume());
  }
  SECTION("not in a store that may have lost a later term, however long ago") {
    candidate.facts.server = "run-b";
    candidate.see(20s);
    CHECK_FALSE(candidate.succession.may_resume());
    candidate.see(49s);
    CHECK_FALSE(candidate.succession.may_resume());
    ++candidate.facts.epoch;
    candidate.granted("me", 60s);
    candidate.see(60s);
    CHECK(candidate.succession.may_resume());
  }
}
