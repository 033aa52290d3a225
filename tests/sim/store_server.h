// The store itself: the lease key and the term beside it on the store's own wall clock, the scripts that
// core/seams.h describes, and everything that can happen to a Redis.
#pragma once

#include <deque>
#include <set>
#include <string>
#include <vector>

#include "core/seams.h"
#include "sim/fake_clock.h"
#include "sim/world.h"

namespace stargazer::sim {

enum class LeaseVerb : std::uint8_t { kObserve, kAcquire, kRenew, kRecreate, kRelease };

// "observe", "acquire", …
const char* name_of(LeaseVerb verb);

// One request as it travels.
struct StoreRequest {
  LeaseVerb verb{};
  LeaseRequestId id = 0;
  LeaseClaim claim{};       // of kAcquire and kRecreate
  std::uint64_t epoch = 0;  // of kRenew
  std::string node{};
  std::string start{};
};

// Somebody connected to the store.
class StoreClient {
 public:
  virtual ~StoreClient() = default;
  virtual void connection_lost() = 0;
  virtual void release_announced(const std::string& node) = 0;
  virtual const std::string& start() const = 0;
  virtual bool machine_paused() const = 0;
};

class StoreServer {
 public:
  StoreServer(World& world, Duration ttl, std::int64_t drift_ppm);

  // `client` hears of what happens from now on, and outlives the server's last event.
  void subscribe(StoreClient& client) { clients_.push_back(&client); }

  // Carries out one request now. REQUIRES: !down().
  LeaseReply apply(const StoreRequest& request);
  // A fenced write of a worker; answers whether it was accepted. REQUIRES: !down().
  bool write(const std::string& node, std::uint64_t epoch);

  bool down() const { return world_.timeline.now() < up_again_at_; }
  // Refuses connections for `length`. A new life begins after each of these but the last two; absolute times of expiry
  // live on.
  void restart(Duration length, bool forgets);
  // A replica takes over that knows nothing of the last `lag`, on a host whose clock is `clock_off` from this one's.
  void fail_over(Duration length, Duration lag, Duration clock_off);
  void flush();
  void step_clock(Duration step);
  // Is there again at once, if it is away.
  void recover() { up_again_at_ = std::min(up_again_at_, world_.timeline.now()); }

  // "" when nobody holds the lease.
  std::string holder() const { return live() ? state_.holder : ""; }

 private:
  struct State {
    std::string holder{};     // of the key
    Duration expires_at{};    // on the store's wall clock
    std::uint64_t epoch = 0;  // of the last term, as its holder, its start and whether it was given up
    std::uint64_t grants = 0;
    std::string term_holder{};
    std::string start{};
    bool released = false;
    std::uint64_t birth = 0;  // of these data: which of the times that the store began without any; 0 = not asked yet
  };
  struct Snapshot {
    TrueTime taken_at;
    State state;
  };

  Duration now() const { return rate_.local(world_.timeline.now()) + stepped_; }
  bool live() const { return !state_.holder.empty() && now() < state_.expires_at; }
  bool owned_by(const StoreRequest& request) const;
  bool claim_holds(const LeaseClaim& claim) const;
  LeaseReply::Answer carry_out(const StoreRequest& request);
  LeaseReply::Answer take(const StoreRequest& request);
  LeaseReply::Answer keep(const StoreRequest& request);
  LeaseReply::Answer set_again(const StoreRequest& request);
  LeaseReply::Answer give_up(const StoreRequest& request);
  void set_key(const StoreRequest& request, std::uint64_t epoch);
  LeaseFacts facts(const StoreRequest& request) const;
  std::string server() const { return "s" + std::to_string(life_) + "." + std::to_string(state_.birth); }
  void remember();
  void forget(State what_is_left);
  void highest_lost();
  void begin_life(Duration length);

  World& world_;
  Duration ttl_;
  Rate rate_;
  Duration stepped_{};
  State state_;
  std::deque<Snapshot> history_;  // after each change, for as long as a replica may lag
  TrueTime up_again_at_{};
  std::uint64_t life_ = 1;
  std::uint64_t births_ = 0;
  std::vector<StoreClient*> clients_;
  std::uint64_t highest_granted_ = 0;  // in all lives, which only the judge knows
  std::string highest_granted_to_;     // a start
  bool highest_forgotten_ = false;     // by the store itself
  std::set<std::string> missed_loss_;  // the starts whose machines stood still when it was forgotten
};

}  // namespace stargazer::sim
