#include "core/succession.h"

#include <optional>
#include <string>

#include "unit/catch.h"
#include "unit/fakes.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

// A candidate with a ttl of 30 s and a tolerance of 1 s, and a store whose clock goes with its own.
struct Candidate {
  explicit Candidate(const LeaseMemory& memory = {7, "run-a"}, bool alone = false)
      : succession(30s, 1s, alone, memory, LeaseRules{}) {
    facts.epoch = 7;
    facts.server = "run-a";
  }

  // An answer that was 10 ms under way.
  void see(Duration now) { see(now - 10ms, now); }
  void see(Duration sent, Duration received) {
    while (attentive && seen && received > *seen + 9s) see_no_change(*seen + 9s);
    facts.store_time = 1000000s + received - (received - sent) / 2 + clock_step;
    succession.observe(facts, at(sent), at(received));
    seen = received - (received - sent) / 2;
    seen_facts = facts;
  }
  // What was seen last, a while later.
  void see_no_change(Duration now) {
    seen_facts.store_time += now - *seen;
    if (!seen_facts.holder.empty()) seen_facts.remaining -= now - *seen;
    succession.observe(seen_facts, at(now), at(now));
    seen = now;
  }
  void held_by(const std::string& holder, Duration remaining) {
    facts.holder = holder;
    facts.remaining = remaining;
    facts.released_by.clear();
  }
  void free(const std::string& released_by = "") {
    facts.holder.clear();
    facts.released_by = released_by;
  }
  bool may_take(Duration now) const { return succession.may_take_at() <= at(now); }

  Succession succession;
  LeaseFacts facts;
  Duration clock_step{};
  bool attentive = true;  // looks about as often as a candidate does, also while a test is silent about it
  std::optional<Duration> seen;
  LeaseFacts seen_facts;
};

// Has looked for longer than one ttl, and sees `a` hold the lease for 30 s more at 10 s.
Candidate watcher() {
  Candidate candidate;
  candidate.held_by("a", 45s);
  candidate.see(-30s);
  candidate.see(9s);
  candidate.held_by("a", 30s);
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
  candidate.see(40s + 1ms);
  CHECK(candidate.may_take(40s + 1ms));
}

TEST_CASE("a key that is gone before its time is taken one ttl later", "[succession]") {
  Candidate candidate = watcher();
  candidate.free();
  candidate.see(39s);
  CHECK(candidate.succession.may_take_at() == at(69s));
  CHECK(candidate.succession.reason() == "the key has vanished before its time");
  candidate.see(50s);  // a second look starts nothing anew
  CHECK(candidate.succession.may_take_at() == at(69s));
}

TEST_CASE("a lease that was given up in order may be taken at once", "[succession]") {
  Candidate candidate = watcher();
  SECTION("by the holder that was seen") {
    candidate.free("a");
    candidate.see(12s);
    CHECK(candidate.may_take(12s));
  }
  SECTION("by a later one that was not") {
    candidate.free("b");
    candidate.facts.epoch = 8;
    candidate.see(12s);
    CHECK(candidate.may_take(12s));
  }
  SECTION("but an old word says nothing about a holder that leaves none") {
    candidate.free("b");
    candidate.see(12s);
    CHECK(candidate.succession.may_take_at() == at(42s));
  }
  SECTION("not when the store has changed: it may know an old release only") {
    candidate.free("a");
    candidate.facts.server = "run-b";
    candidate.see(12s);
    CHECK(candidate.succession.may_take_at() == at(42s));
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
    stranger.held_by("a", 2s);
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
  SECTION("… but not what ended otherwise") {
    known.free();
    known.see(1s);
    CHECK(known.succession.may_take_at() == at(31s));
  }
  SECTION("… nor what is older than what it knows") {
    Candidate ahead({8, "run-a"});
    ahead.free("a");
    ahead.see(1s);
    CHECK(ahead.succession.may_take_at() == at(31s));
  }
  SECTION("… nor what expires soon after: the store's clock may have been set forward before") {
    known.held_by("a", 2s);
    known.see(1s);
    known.free();
    known.see(4s);
    CHECK(known.succession.may_take_at() == at(31s));
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
  SECTION("it holds the lease of another life") {
    candidate.facts.server = "run-b";
    candidate.held_by("b", 5s);
    candidate.see(20s);
  }
  candidate.free();
  candidate.see(45s);
  CHECK(candidate.succession.may_take_at() > at(49s));
  CHECK(candidate.succession.may_take_at() <= at(75s));
}

TEST_CASE("the highest epoch is remembered over the loss of the data", "[succession]") {
  Candidate candidate = watcher();
  candidate.facts.epoch = 3;
  candidate.facts.server = "run-b";
  candidate.see(12s);
  CHECK(candidate.succession.memory() == LeaseMemory{7, "run-b"});
}

TEST_CASE("a step of the store's clock", "[succession]") {
  Candidate candidate = watcher();
  SECTION("forward is a reason to wait") {
    candidate.clock_step = 20s;
    candidate.held_by("a", 10s);
    candidate.see(11s);
    candidate.free();
    candidate.see(22s);
    CHECK(candidate.succession.may_take_at() == at(41s));
  }
  SECTION("… unless the lease was given up in order") {
    candidate.clock_step = 20s;
    candidate.free("a");
    candidate.see(11s);
    CHECK(candidate.may_take(11s));
  }
  SECTION("back is one as well: it may hide another forward") {
    candidate.clock_step = -20s;
    candidate.held_by("a", 49s);
    candidate.see(11s);
    candidate.held_by("a", 5s);  // set since, and then the clock was set forward by less than it had been set back
    candidate.see(12s);
    candidate.free();
    candidate.see(18s);
    CHECK(candidate.succession.may_take_at() >= at(41s));
  }
  SECTION("that is undone before anybody looks shows in the key") {
    candidate.held_by("a", 7s);
    candidate.see(13s);
    candidate.free();
    candidate.see(40s + 1ms);
    CHECK(candidate.succession.may_take_at() == at(43s));
  }
  SECTION("shows in a slow answer too") {
    candidate.clock_step = -20s;
    candidate.held_by("a", 49s);
    candidate.see(11s, 13s);
    candidate.clock_step = 0s;
    candidate.held_by("a", 11s);
    candidate.see(14s);
    candidate.free();
    candidate.see(40s + 1ms);
    CHECK(candidate.succession.may_take_at() > at(41s));
  }
  SECTION("small ones do not add up unseen within a ttl") {
    for (int second = 1; second <= 3; ++second) {
      candidate.clock_step += 900ms;
      candidate.see(std::chrono::seconds(10 + second));
    }
    candidate.free();
    candidate.see(41s);
    CHECK(candidate.succession.may_take_at() > at(41s));
  }
  SECTION("a drift of half a per cent is none") {
    for (int second = 1; second <= 600; ++second) {
      candidate.clock_step += 5ms;
      candidate.held_by("a", 30s);
      candidate.see(std::chrono::seconds(10 + second));
    }
    candidate.free();
    candidate.see(641s);
    CHECK(candidate.may_take(641s));
  }
}

TEST_CASE("a candidate that has not looked for a third of the ttl", "[succession]") {
  Candidate candidate = watcher();
  candidate.attentive = false;
  SECTION("trusts no key that expires soon after") {
    candidate.held_by("a", 4s);
    candidate.see(36s);
    candidate.free();
    candidate.see(40s + 1ms);
    CHECK(candidate.succession.may_take_at() == at(66s));
  }
  SECTION("nor that one has expired meanwhile") {
    candidate.free();
    candidate.see(41s);
    CHECK(candidate.succession.may_take_at() == at(71s));
  }
  SECTION("trusts a release in order") {
    candidate.free("a");
    candidate.see(41s);
    CHECK(candidate.may_take(41s));
  }
}

TEST_CASE("the end of this node's own term", "[succession]") {
  Candidate candidate = watcher();
  candidate.facts.epoch = 8;
  candidate.facts.own = true;
  candidate.held_by("me", 30s);
  candidate.see(20s);
  candidate.facts.own = false;
  candidate.free();
  SECTION("leaves nobody to wait for, however it came") {
    candidate.see(45s);
    CHECK(candidate.may_take(45s));
    candidate.see(46s);
    CHECK(candidate.may_take(46s));
  }
  SECTION("was not the last one") {
    candidate.facts.epoch = 9;
    candidate.see(45s);
    CHECK(candidate.succession.may_take_at() == at(75s));
  }
  SECTION("is not known of another server") {
    candidate.facts.server = "run-b";
    candidate.see(45s);
    CHECK(candidate.succession.may_take_at() == at(75s));
  }
}

TEST_CASE("answers that are too slow to judge by", "[succession]") {
  Candidate candidate = watcher();
  candidate.free();
  candidate.see(41s, 43s);
  CHECK(candidate.succession.too_slow());
  CHECK(candidate.succession.may_take_at() == kNever);
  SECTION("are outweighed by a quick one") {
    candidate.see(44s);
    CHECK_FALSE(candidate.succession.too_slow());
    CHECK(candidate.may_take(44s));
  }
  SECTION("cost one ttl when no quick one follows") {
    for (Duration sent = 44s; sent < 70s; sent += 3s) candidate.see(sent, sent + 2s);
    CHECK(candidate.succession.too_slow());
    candidate.see(72s, 74s);
    CHECK_FALSE(candidate.succession.too_slow());
    CHECK(candidate.may_take(74s));
  }
}

TEST_CASE("a slow answer is no step of the clock", "[succession]") {
  Candidate candidate = watcher();
  candidate.held_by("a", 30s);
  candidate.see(12s, 18s);
  candidate.free();
  candidate.see(49s);
  CHECK(candidate.may_take(49s));
}
