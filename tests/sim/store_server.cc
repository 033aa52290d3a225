#include "sim/store_server.h"

#include <algorithm>
#include <array>
#include <utility>

namespace stargazer::sim {
namespace {

using Answer = LeaseReply::Answer;

// Any date does.
constexpr Duration kWallStart = std::chrono::seconds(1'800'000'000);
// No replica lags more.
constexpr Duration kHistory = std::chrono::minutes(1);

}  // namespace

const char* name_of(LeaseVerb verb) {
  constexpr std::array kNames{"observe", "acquire", "renew", "recreate", "release"};
  return kNames[static_cast<std::size_t>(verb)];
}

StoreServer::StoreServer(World& world, Duration ttl, std::int64_t drift_ppm)
    : world_(world), ttl_(world.broken.mutant == Mutant::kShortTtl ? ttl / 2 : ttl), rate_{kWallStart, drift_ppm} {}

// ---- The scripts ----------------------------------------------------------------------------------------------------

bool StoreServer::owned_by(const StoreRequest& request) const {
  if (!world_.broken.fakes.compare_owner) return true;
  return state_.holder == request.node && state_.start == request.start;
}

bool StoreServer::claim_holds(const LeaseClaim& claim) const {
  if (!world_.broken.fakes.compare_claim) return true;
  return claim.expected_epoch == state_.epoch && claim.expected_grants == state_.grants &&
         claim.expected_server == server();
}

LeaseReply StoreServer::apply(const StoreRequest& request) {
  if (state_.birth == 0) state_.birth = ++births_;
  LeaseReply reply;
  reply.id = request.id;
  reply.answer = carry_out(request);
  reply.facts = facts(request);
  if (reply.answer != Answer::kReleased) return reply;
  for (StoreClient* client : clients_) client->release_announced(request.node);
  return reply;
}

Answer StoreServer::carry_out(const StoreRequest& request) {
  switch (request.verb) {
    case LeaseVerb::kObserve: return live() ? Answer::kHeld : Answer::kFree;
    case LeaseVerb::kAcquire: return take(request);
    case LeaseVerb::kRenew: return keep(request);
    case LeaseVerb::kRecreate: return set_again(request);
    case LeaseVerb::kRelease: return give_up(request);
  }
  return Answer::kFailed;
}

Answer StoreServer::take(const StoreRequest& request) {
  const bool careless = world_.broken.mutant == Mutant::kTwoLeaders;
  if (live() && !careless) return Answer::kHeld;
  if (!claim_holds(request.claim) && !careless) return Answer::kFree;
  const std::uint64_t epoch = std::max(request.claim.epoch, state_.epoch + 1);
  if (epoch <= highest_granted_) {
    world_.findings.found(Invariant::kEpochsGrow, request.start,
                          "was granted " + std::to_string(epoch) + " after " + std::to_string(highest_granted_));
  }
  set_key(request, epoch);
  return Answer::kGranted;
}

Answer StoreServer::keep(const StoreRequest& request) {
  if (!live()) return Answer::kFree;
  if (!owned_by(request) || state_.epoch != request.epoch) return Answer::kHeld;
  if (state_.start != request.start) {
    world_.findings.found(Invariant::kOwnKeyOnly, request.start, "prolonged the lease of " + state_.start);
  }
  state_.expires_at = now() + ttl_;
  ++state_.grants;
  remember();
  return Answer::kGranted;
}

Answer StoreServer::set_again(const StoreRequest& request) {
  if (live()) return Answer::kHeld;
  if (!claim_holds(request.claim) || state_.epoch > request.claim.epoch) return Answer::kFree;
  // Whoever stood still from before a later term until the store had lost it goes on as if neither had been: what it
  // sets again, no comparison can know.
  const bool can_know = missed_loss_.count(request.start) == 0;
  if (can_know && (request.claim.epoch < highest_granted_ ||
                   (request.claim.epoch == highest_granted_ && request.start != highest_granted_to_))) {
    world_.findings.found(Invariant::kEpochsGrow, request.start,
                          "set its term " + std::to_string(request.claim.epoch) + " again after " +
                              highest_granted_to_ + " was granted " + std::to_string(highest_granted_));
  }
  set_key(request, request.claim.epoch);
  return Answer::kGranted;
}

Answer StoreServer::give_up(const StoreRequest& request) {
  if (!live()) return Answer::kFree;
  if (!owned_by(request)) return Answer::kHeld;
  if (state_.start != request.start) {
    world_.findings.found(Invariant::kOwnKeyOnly, request.start, "released the lease of " + state_.start);
  }
  state_.holder.clear();
  state_.released = true;
  remember();
  return Answer::kReleased;
}

void StoreServer::set_key(const StoreRequest& request, std::uint64_t epoch) {
  state_ = State{.holder = request.node,
                 .expires_at = now() + ttl_,
                 .epoch = epoch,
                 .grants = state_.grants + 1,
                 .term_holder = request.node,
                 .start = request.start,
                 .released = false,
                 .birth = state_.birth};
  if (epoch >= highest_granted_) {
    highest_forgotten_ = false;
    missed_loss_.clear();
    highest_granted_ = epoch;
    highest_granted_to_ = request.start;
  }
  remember();
}

LeaseFacts StoreServer::facts(const StoreRequest& request) const {
  LeaseFacts facts;
  facts.holder = holder();
  facts.own = live() && state_.holder == request.node && state_.start == request.start;
  if (live()) facts.remaining = state_.expires_at - now();
  facts.epoch = state_.epoch;
  facts.grants = state_.grants;
  if (state_.released) facts.released_by = state_.term_holder;
  facts.store_time = now();
  facts.server = server();
  return facts;
}

bool StoreServer::write(const std::string& node, std::uint64_t epoch) {
  const bool current = live() && state_.holder == node && state_.epoch == epoch;
  const bool accepted = current || !world_.broken.fakes.fence;
  if (accepted && epoch < highest_granted_ && !highest_forgotten_) {
    world_.findings.found(Invariant::kFenced, node,
                          "wrote under " + std::to_string(epoch) + " after " + highest_granted_to_ + " was granted " +
                              std::to_string(highest_granted_));
  }
  return accepted;
}

// ---- What befalls it ------------------------------------------------------------------------------------------------

void StoreServer::remember() {
  const TrueTime present = world_.timeline.now();
  history_.push_back({present, state_});
  while (history_.size() > 1 && history_[1].taken_at < present - kHistory) history_.pop_front();
}

// What it has forgotten, no comparison at the store can know: that takes replicas that are waited for (rule 9).
void StoreServer::forget(State what_is_left) {
  state_ = std::move(what_is_left);
  if (state_.epoch < highest_granted_) highest_lost();
  remember();
}

void StoreServer::highest_lost() {
  highest_forgotten_ = true;
  for (const StoreClient* client : clients_) {
    if (client->machine_paused()) missed_loss_.insert(client->start());
  }
}

void StoreServer::begin_life(Duration length) {
  ++life_;
  up_again_at_ = world_.timeline.now() + length;
  for (StoreClient* client : clients_) client->connection_lost();
}

void StoreServer::restart(Duration length, bool forgets) {
  if (forgets) forget({});
  begin_life(length);
}

void StoreServer::fail_over(Duration length, Duration lag, Duration clock_off) {
  const TrueTime known_until = world_.timeline.now() - lag;
  while (!history_.empty() && history_.back().taken_at > known_until) history_.pop_back();
  forget(history_.empty() ? State{} : history_.back().state);
  stepped_ += clock_off;
  begin_life(length);
}

void StoreServer::flush() {
  forget({});
}

void StoreServer::step_clock(Duration step) {
  stepped_ += step;
}

}  // namespace stargazer::sim
