// The lease under chance: whatever the store answers, every deadline is kept.
#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "core/lease.h"
#include "unit/catch.h"
#include "unit/fakes.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

using Answer = LeaseReply::Answer;

// The shipped times: ttl 30 s, heartbeat 10 s, soft stop 18 s, hard kill 25 s, request timeout 2 s, retry pause 1 s.
const LeaseTimes kTimes = lease_times(LeaseConfig{});

bool quiet(const LeaseEffects& effects) {
  return !effects.gained && !effects.recreated && effects.hold_off.empty() && !effects.lost && !effects.kill_workers &&
         !effects.released && effects.failure.empty() && effects.new_holder.empty() && !effects.request;
}

// A node among a store's moods. It is stepped only when it asked to be or when something arrives, and the rules of
// core/lease.h are kept beside it in their own words.
class RandomContest {
 public:
  explicit RandomContest(std::uint64_t seed) : random_(seed) {
    lease_.start(now_);
    step();
  }

  void move_on() {
    const Instant wake = lease_.next_wake();
    if (wake == kNever && !reply_ && workers_end_ == kNever) return;  // it has ended
    const Instant next = std::min({wake, reply_ ? reply_at_ : kNever, workers_end_});
    check_nothing_before(next);
    now_ = std::max(now_, next);
    if (reply_ && reply_at_ <= now_) {
      LeaseReply reply = *std::exchange(reply_, std::nullopt);
      if (reply.answer == Answer::kGranted && now_ < sent_at_ + 2s && lease_.leader()) granted_at_ = sent_at_;
      lease_.on_reply(reply, now_, random_);
    }
    if (workers_end_ <= now_) workers_end_ = kNever;
    if (random_.chance(0.05)) lease_.on_store_reachable(now_);
    step();
    // Whatever was due by now has been done.
    REQUIRE(lease_.next_wake() > now_);
  }

  int gains = 0;
  int losses = 0;
  int kills = 0;

 private:
  // At a moment before the next one that it asked for, there must be nothing to do.
  void check_nothing_before(Instant next) {
    if (next <= now_) return;
    Lease copy = lease_;
    REQUIRE(quiet(copy.advance(next - 1ns, workers_gone(), 0, random_)));
    REQUIRE(copy.next_wake() == lease_.next_wake());
  }

  bool workers_gone() const { return !working_; }

  void step() {
    if (workers_end_ == kNever && dying_) working_ = dying_ = false;
    const LeaseEffects effects = lease_.advance(now_, workers_gone(), 0, random_);
    if (effects.gained) {
      ++gains;
      working_ = true;
      granted_at_ = sent_at_;
    }
    if (lease_.leader()) REQUIRE(now_ < granted_at_ + 18s);
    if (effects.lost) {
      ++losses;
      dying_ = true;
      if (effects.reason.starts_with("not renewed")) REQUIRE(now_ == granted_at_ + 18s);
      // Some workers leave soon, others only when they are killed.
      workers_end_ = random_.chance(0.5) ? now_ + random_.up_to(6s) : granted_at_ + 25s + 1ms;
    }
    if (effects.kill_workers) {
      ++kills;
      REQUIRE(now_ == granted_at_ + 25s);
    }
    if (effects.request) send(*effects.request);
  }

  void send(const LeaseRequest& request) {
    sent_at_ = now_;
    reply_.reset();
    if (random_.chance(0.3)) return;  // lost
    constexpr std::array kAnswers{Answer::kGranted, Answer::kGranted, Answer::kGranted,
                                  Answer::kHeld,    Answer::kFree,    Answer::kFailed};
    const Answer answer = kAnswers.at(random_.below(kAnswers.size()));
    reply_ = LeaseReply{request.id, answer, facts(answer), "LOADING"};
    reply_at_ = now_ + random_.up_to(3s);
  }

  // Of a store that is restarted now and then and forgets some of what it knew.
  LeaseFacts facts(Answer answer) {
    LeaseFacts facts;
    if (answer == Answer::kHeld) facts.holder = "other";
    if (answer == Answer::kGranted) facts.holder = "this";
    facts.own = answer == Answer::kGranted || (answer == Answer::kHeld && random_.chance(0.1));
    facts.remaining = random_.up_to(30s);
    facts.epoch = random_.below(3);
    facts.released_by = random_.chance(0.5) ? "other" : "";
    facts.store_time = now_.time_since_epoch() + (random_.chance(0.1) ? random_.up_to(40s) : Duration::zero());
    facts.server = random_.chance(0.05) ? "run-b" : "run-a";
    return facts;
  }

  Random random_;
  Lease lease_{{kTimes, true, false, {}, {}}};
  Instant now_{};
  Instant sent_at_{};
  Instant granted_at_{};
  std::optional<LeaseReply> reply_;
  Instant reply_at_{};
  Instant workers_end_ = kNever;
  bool working_ = false;
  bool dying_ = false;  // told to stop
};

}  // namespace

TEST_CASE("a node that is stepped only when it asked to be misses no deadline", "[lease]") {
  int gains = 0;
  int losses = 0;
  int kills = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    INFO("seed " << seed);
    RandomContest contest(seed);
    for (int i = 0; i < 300; ++i) contest.move_on();
    gains += contest.gains;
    losses += contest.losses;
    kills += contest.kills;
  }
  // The moods above must have led everywhere.
  CHECK(gains > 1000);
  CHECK(losses > 1000);
  CHECK(kills > 100);
}
