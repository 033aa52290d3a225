// The lease in a store that can be slow, deaf, cut off and restarted.
//
// StoreServer is the store: one key with a ttl on the store's own clock. FakeLeaseStore is one node's way to it.
#pragma once

#include <functional>
#include <string>

#include "core/seams.h"
#include "sim/fake_clock.h"
#include "sim/node_checker.h"
#include "sim/world.h"

namespace stargazer::sim {

enum class LeaseVerb : std::uint8_t { kAcquire, kRenew, kRelease };

class StoreServer {
 public:
  StoreServer(World& world, Duration ttl, std::int64_t drift_ppm);

  // Carries out one request of `node` now.
  LeaseReply apply(LeaseVerb verb, LeaseRequestId id, const std::string& node);

  bool down() const { return world_.timeline.now() < up_again_at_; }
  // Refuses connections for `length`. Keeps its data and goes on counting the ttl, unless it `forgets` (see Faults).
  void restart(Duration length, bool forgets = false);
  // "" when nobody holds the lease.
  std::string holder() const;

 private:
  Duration now() const { return rate_.local(world_.timeline.now()); }

  World& world_;
  Duration ttl_;
  Rate rate_;
  std::string holder_;
  Duration expires_at_{};  // on the store's clock
  TrueTime up_again_at_{};
};

class FakeLeaseStore final : public LeaseStore {
 public:
  using Post = std::function<void(Input)>;

  FakeLeaseStore(World& world, StoreServer& server, const FakeClock& clock, NodeChecker& checker, Post post);

  void acquire(LeaseRequestId id) override { send(LeaseVerb::kAcquire, id); }
  void renew(LeaseRequestId id) override { send(LeaseVerb::kRenew, id); }
  void release(LeaseRequestId id) override { send(LeaseVerb::kRelease, id); }

  // A new incarnation of the node has a new name and gets no replies of the one before.
  void reconnect(std::string node_id);
  void set_odds(const NetworkOdds& odds) { odds_ = odds; }
  // Drops every request, or every reply, from now on until told otherwise.
  void drop_requests(bool drop) { drop_requests_ = drop; }
  void drop_replies(bool drop) { drop_replies_ = drop; }
  bool partitioned() const { return drop_requests_ && drop_replies_; }

 private:
  void send(LeaseVerb verb, LeaseRequestId id);
  Duration draw_delay();
  void arrive(LeaseVerb verb, LeaseRequestId id, const std::string& node_id, bool answered);
  void answer(const LeaseReply& reply);

  World& world_;
  StoreServer& server_;
  const FakeClock& clock_;
  NodeChecker& checker_;
  Post post_;
  NetworkOdds odds_;
  std::string node_id_;
  std::uint64_t connection_ = 0;
  bool drop_requests_ = false;
  bool drop_replies_ = false;
};

}  // namespace stargazer::sim
