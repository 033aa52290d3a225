#include "sim/fake_lease_store.h"

#include <array>
#include <utility>

namespace stargazer::sim {
namespace {

using Answer = LeaseReply::Answer;

const char* name_of(LeaseVerb verb) {
  constexpr std::array kNames{"acquire", "renew", "release"};
  return kNames[static_cast<std::size_t>(verb)];
}

const char* name_of(Answer answer) {
  constexpr std::array kNames{"granted", "held", "missing", "released", "failed"};
  return kNames[static_cast<std::size_t>(answer)];
}

}  // namespace

StoreServer::StoreServer(World& world, Duration ttl, std::int64_t drift_ppm)
    : world_(world), ttl_(world.mutant == Mutant::kShortTtl ? ttl / 2 : ttl), rate_{Duration::zero(), drift_ppm} {}

std::string StoreServer::holder() const {
  return now() < expires_at_ ? holder_ : "";
}

void StoreServer::restart(Duration length, bool forgets) {
  up_again_at_ = world_.timeline.now() + length;
  if (forgets) expires_at_ = Duration::zero();
}

LeaseReply StoreServer::apply(LeaseVerb verb, LeaseRequestId id, const std::string& node) {
  LeaseReply reply;
  reply.id = id;
  const std::string held_by = holder();
  if (!held_by.empty() && held_by != node && world_.mutant != Mutant::kTwoLeaders) {
    reply.answer = Answer::kHeld;
    reply.holder = held_by;
    reply.remaining = expires_at_ - now();
  } else if (held_by.empty() && verb != LeaseVerb::kAcquire) {
    reply.answer = Answer::kMissing;
  } else if (verb == LeaseVerb::kRelease) {
    reply.answer = Answer::kReleased;
    expires_at_ = now();
  } else {
    reply.answer = Answer::kGranted;
    holder_ = node;
    expires_at_ = now() + ttl_;
  }
  return reply;
}

FakeLeaseStore::FakeLeaseStore(World& world, StoreServer& server, const FakeClock& clock, NodeChecker& checker,
                               Post post)
    : world_(world), server_(server), clock_(clock), checker_(checker), post_(std::move(post)) {}

void FakeLeaseStore::reconnect(std::string node_id) {
  node_id_ = std::move(node_id);
  ++connection_;
}

Duration FakeLeaseStore::draw_delay() {
  return world_.random.up_to(world_.random.chance(odds_.slow) ? odds_.slow_max : odds_.usual_max);
}

void FakeLeaseStore::send(LeaseVerb verb, LeaseRequestId id) {
  checker_.lease_requested(id, verb == LeaseVerb::kRelease, clock_.now());
  const bool lost = drop_requests_ || world_.random.chance(odds_.lose_request);
  world_.tell(checker_.who(), [&] { return std::string("lease ") + name_of(verb) + (lost ? " lost" : ""); });
  if (lost) return;
  const Duration delay = draw_delay();
  world_.timeline.after(delay, [this, verb, id, node = node_id_] { arrive(verb, id, node, true); });
  if (world_.random.chance(odds_.duplicate)) {
    world_.timeline.after(delay + draw_delay(), [this, verb, id, node = node_id_] { arrive(verb, id, node, false); });
  }
}

void FakeLeaseStore::arrive(LeaseVerb verb, LeaseRequestId id, const std::string& node_id, bool answered) {
  if (drop_requests_) return;
  LeaseReply reply;
  reply.id = id;
  if (server_.down()) {
    reply.cause = "connect: Connection refused";
  } else if (world_.random.chance(odds_.error)) {
    reply.cause = "LOADING Redis is loading the dataset in memory";
  } else {
    reply = server_.apply(verb, id, node_id);
    if (reply.answer == Answer::kReleased) checker_.lease_released();
  }
  world_.tell("store", [&] {
    return checker_.who() + " " + name_of(verb) + (answered ? "" : " again") + ": " + name_of(reply.answer);
  });
  if (answered && node_id == node_id_ && !world_.random.chance(odds_.lose_reply)) answer(reply);
}

void FakeLeaseStore::answer(const LeaseReply& reply) {
  if (drop_replies_) return;
  world_.timeline.after(draw_delay(), [this, reply, connection = connection_] {
    if (!drop_replies_ && connection == connection_) post_(reply);
  });
}

}  // namespace stargazer::sim
