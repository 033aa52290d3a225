// One node's way to the store: a connection that is lost and found again, and a network that delays, loses and repeats.
//
// Messages are more independent of each other than on one TCP connection: each may be delayed, lost or repeated by
// itself, and a request may take effect after the connection on which it was sent has gone.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "core/seams.h"
#include "io/backoff.h"
#include "sim/fake_clock.h"
#include "sim/node_checker.h"
#include "sim/store_server.h"
#include "sim/world.h"

namespace stargazer::sim {

class FakeLeaseStore final : public LeaseStore, public StoreClient {
 public:
  using Post = std::function<void(const Input&)>;

  FakeLeaseStore(World& world, StoreServer& server, FakeClock& clock, NodeChecker& checker, Post post);

  void observe(LeaseRequestId id) override;
  void acquire(LeaseRequestId id, const LeaseClaim& claim) override;
  void renew(LeaseRequestId id, std::uint64_t epoch) override;
  void recreate(LeaseRequestId id, const LeaseClaim& claim) override;
  void release(LeaseRequestId id) override;

  void connection_lost() override;
  void release_announced(const std::string& node) override;
  const std::string& start() const override { return start_id_; }
  bool machine_paused() const override { return clock_.paused(); }

  // A fenced write of a worker of this node.
  void write(std::uint64_t epoch);

  // A daemon has started; it gets no replies of the one before, and connects after `connects_after`.
  void boot(std::string node_id, std::string start_id, Duration connects_after);
  // There is no daemon any more.
  void go_down();

  void set_odds(const NetworkOdds& odds) { odds_ = odds; }
  // Drops every request, or every reply, from now on until told otherwise.
  void drop_requests(bool drop) { drop_requests_ = drop; }
  void drop_replies(bool drop) { drop_replies_ = drop; }
  // Every request, not its answer, takes so long from now on.
  void delay_requests(Duration delay) { request_delay_ = delay; }
  bool partitioned() const { return drop_requests_ && drop_replies_; }
  // All that were asked for, lost and failed ones included.
  std::uint64_t requests_sent() const { return requests_sent_; }
  // Hears of every attempt to connect and of every request that leaves the node.
  void on_traffic(std::function<void()> heard) { on_traffic_ = std::move(heard); }

 private:
  void send(StoreRequest request);
  void arrive(const StoreRequest& request, std::uint64_t connection, bool answered);
  void answer(const LeaseReply& reply, std::uint64_t connection);
  void fail_later(LeaseRequestId id, const std::string& cause);
  void try_to_connect();
  void connect_after(Duration pause);
  void report(bool reachable);
  Duration draw_delay();

  World& world_;
  StoreServer& server_;
  FakeClock& clock_;
  NodeChecker& checker_;
  Post post_;
  NetworkOdds odds_;
  std::string node_id_;
  std::string start_id_;
  Backoff backoff_;
  bool up_ = false;
  bool connected_ = false;
  Instant connected_at_{};
  std::uint64_t connection_ = 0;         // counts connections and daemons, so that what belongs to an old one is known
  std::set<LeaseRequestId> unanswered_;  // on this connection
  std::uint64_t requests_sent_ = 0;
  std::function<void()> on_traffic_ = [] {};
  Duration request_delay_{};
  bool drop_requests_ = false;
  bool drop_replies_ = false;
};

}  // namespace stargazer::sim
