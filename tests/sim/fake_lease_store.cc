#include "sim/fake_lease_store.h"

#include <array>
#include <utility>

namespace stargazer::sim {
namespace {

// As Redis::Options of io/redis.h.
constexpr Duration kBackoffMin = std::chrono::milliseconds(100);
constexpr Duration kBackoffMax = std::chrono::seconds(10);
constexpr Duration kConnectTimeout = std::chrono::seconds(2);

const char* name_of(LeaseReply::Answer answer) {
  constexpr std::array kNames{"granted", "held", "free", "released", "failed"};
  return kNames[static_cast<std::size_t>(answer)];
}

}  // namespace

FakeLeaseStore::FakeLeaseStore(World& world, StoreServer& server, FakeClock& clock, NodeChecker& checker, Post post)
    : world_(world),
      server_(server),
      clock_(clock),
      checker_(checker),
      post_(std::move(post)),
      backoff_(kBackoffMin, kBackoffMax, world.random.next()) {
  server.subscribe(*this);
}

// ---- The connection -------------------------------------------------------------------------------------------------

void FakeLeaseStore::boot(std::string node_id, std::string start_id, Duration connects_after) {
  node_id_ = std::move(node_id);
  start_id_ = std::move(start_id);
  up_ = true;
  backoff_.reset();
  connect_after(connects_after);
}

void FakeLeaseStore::go_down() {
  up_ = connected_ = false;
  unanswered_.clear();
  ++connection_;
}

void FakeLeaseStore::connect_after(Duration pause) {
  clock_.after(pause, [this, connection = connection_] {
    if (connection == connection_) try_to_connect();
  });
}

void FakeLeaseStore::try_to_connect() {
  on_traffic_();
  if (partitioned()) return connect_after(kConnectTimeout + backoff_.next());
  if (server_.down()) return connect_after(backoff_.next());
  connected_ = true;
  connected_at_ = clock_.now();
  report(true);
}

void FakeLeaseStore::connection_lost() {
  if (!up_) return;
  const bool was_connected = std::exchange(connected_, false);
  // As io/redis.cc: only a connection that lasted is a success.
  if (was_connected && clock_.now() - connected_at_ >= kBackoffMax) backoff_.reset();
  ++connection_;
  for (const LeaseRequestId id : std::exchange(unanswered_, {})) fail_later(id, "the connection was lost");
  connect_after(backoff_.next());
  if (was_connected) report(false);
}

void FakeLeaseStore::report(bool reachable) {
  post_(DependencyChanged{Dependency::kRedis, reachable, reachable ? "" : "connect: Connection refused"});
}

// ---- Requests -------------------------------------------------------------------------------------------------------

void FakeLeaseStore::observe(LeaseRequestId id) {
  send({.verb = LeaseVerb::kObserve, .id = id});
}

void FakeLeaseStore::acquire(LeaseRequestId id, const LeaseClaim& claim) {
  send({.verb = LeaseVerb::kAcquire, .id = id, .claim = claim});
}

void FakeLeaseStore::renew(LeaseRequestId id, std::uint64_t epoch) {
  send({.verb = LeaseVerb::kRenew, .id = id, .epoch = epoch});
}

void FakeLeaseStore::recreate(LeaseRequestId id, const LeaseClaim& claim) {
  send({.verb = LeaseVerb::kRecreate, .id = id, .claim = claim});
}

void FakeLeaseStore::release(LeaseRequestId id) {
  send({.verb = LeaseVerb::kRelease, .id = id});
}

Duration FakeLeaseStore::draw_delay() {
  return world_.random.up_to(world_.random.chance(odds_.slow) ? odds_.slow_max : odds_.usual_max);
}

void FakeLeaseStore::send(StoreRequest request) {
  request.node = node_id_;
  request.start = start_id_;
  checker_.lease_requested(request.id, request.verb == LeaseVerb::kRelease, clock_.now());
  ++requests_sent_;
  if (!connected_) return fail_later(request.id, "not connected");
  on_traffic_();
  unanswered_.insert(request.id);
  const bool lost = drop_requests_ || world_.random.chance(odds_.lose_request);
  world_.tell(checker_.who(), [&] { return std::string("lease ") + name_of(request.verb) + (lost ? " lost" : ""); });
  if (lost) return;
  const Duration delay = draw_delay() + request_delay_;
  const bool again = world_.random.chance(odds_.duplicate);
  world_.timeline.after(delay, [this, request, connection = connection_] { arrive(request, connection, true); });
  if (!again) return;
  world_.timeline.after(delay + draw_delay(),
                        [this, request, connection = connection_] { arrive(request, connection, false); });
}

void FakeLeaseStore::arrive(const StoreRequest& request, std::uint64_t connection, bool answered) {
  if (drop_requests_ || server_.down()) return;
  LeaseReply reply;
  reply.id = request.id;
  if (world_.random.chance(odds_.error)) {
    reply.cause = "LOADING Redis is loading the dataset in memory";
  } else {
    reply = server_.apply(request);
    if (reply.answer == LeaseReply::Answer::kReleased) checker_.lease_released();
  }
  world_.tell("store", [&] {
    return checker_.who() + " " + name_of(request.verb) + (answered ? "" : " again") + ": " + name_of(reply.answer);
  });
  if (answered && !world_.random.chance(odds_.lose_reply)) answer(reply, connection);
}

void FakeLeaseStore::answer(const LeaseReply& reply, std::uint64_t connection) {
  if (drop_replies_) return;
  world_.timeline.after(draw_delay(), [this, reply, connection] {
    if (drop_replies_ || connection != connection_ || unanswered_.erase(reply.id) == 0) return;
    post_(reply);
  });
}

void FakeLeaseStore::fail_later(LeaseRequestId id, const std::string& cause) {
  LeaseReply reply;
  reply.id = id;
  reply.cause = cause;
  clock_.after(Duration::zero(), [this, reply, start = start_id_] {
    if (up_ && start == start_id_) post_(reply);
  });
}

void FakeLeaseStore::release_announced(const std::string& node) {
  if (!connected_ || node == node_id_ || drop_replies_ || world_.random.chance(odds_.lose_reply)) return;
  world_.timeline.after(draw_delay(), [this, connection = connection_] {
    if (connection == connection_) post_(LeaseAnnounced{});
  });
}

void FakeLeaseStore::write(std::uint64_t epoch) {
  if (drop_requests_ || world_.random.chance(odds_.lose_request)) return;
  world_.timeline.after(draw_delay(), [this, epoch, node = node_id_] {
    if (drop_requests_ || server_.down()) return;
    const bool accepted = server_.write(node, epoch);
    world_.tell("store", [&] {
      return checker_.who() + " write epoch=" + std::to_string(epoch) + (accepted ? ": accepted" : ": refused");
    });
  });
}

}  // namespace stargazer::sim
