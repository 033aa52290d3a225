#include "sim/node.h"

#include <cassert>
#include <utility>

namespace stargazer::sim {

Node::Node(const NodeParts& parts, std::size_t index, Rate rate, FakeWorkerHost::Planner planner)
    : parts_(parts),
      index_(index),
      clock_(parts.world.timeline, rate),
      checker_(parts.world, parts.cluster, index, parts.config, parts.registry),
      host_(parts.world, clock_, checker_, std::move(planner), [this](const Input& input) { post(input); }) {
  if (parts.server == nullptr) return;
  store_ = std::make_unique<FakeLeaseStore>(parts.world, *parts.server, clock_, checker_,
                                            [this](const Input& input) { post(input); });
}

void Node::boot() {
  assert(!up());
  ++incarnation_;
  stopping_ = false;
  const std::string life = name() + (incarnation_ == 1 ? "" : "." + std::to_string(incarnation_));
  if (store_) store_->reconnect(life);
  SupervisorOptions options;
  options.seed = parts_.world.random.next();
  options.run_id_prefix = life;
  clock_.wake_at(kNever);
  supervisor_ =
      std::make_unique<Supervisor>(parts_.config, parts_.registry, clock_, store_.get(), host_, std::move(options));
  parts_.world.tell(name(), [] { return "boots"; });
  checker_.booted(clock_.now());
  supervisor_->start();
  step_at(parts_.world.timeline.now());
}

void Node::crash(Duration children_leave_max) {
  parts_.world.tell(name(), [] { return "crashes"; });
  host_.abandon_all(children_leave_max);
  go_down();
}

void Node::go_down() {
  supervisor_.reset();
  inbox_.clear();
  if (store_) store_->reconnect("");
  next_step_ = TrueTime::max();
  ++step_ticket_;
}

void Node::post(const Input& input) {
  if (!up()) return;
  if (std::holds_alternative<StopRequested>(input)) stopping_ = true;
  inbox_.push_back(input);
  supervisor_->post(input);
  step_at(parts_.world.timeline.now() + parts_.world.random.up_to(step_delay_max_));
}

void Node::step_at(TrueTime when) {
  if (when >= next_step_) return;
  next_step_ = when;
  parts_.world.timeline.at(when, [this, ticket = ++step_ticket_] {
    if (ticket == step_ticket_) step();
  });
}

void Node::step_when_wished() {
  if (clock_.wish() == kNever) return;
  step_at(clock_.wish_true_time() + parts_.world.random.up_to(step_delay_max_));
}

void Node::step() {
  next_step_ = TrueTime::max();
  ++steps_;
  const Instant now = clock_.now();
  for (const Input& input : inbox_) checker_.takes(input, now);
  inbox_.clear();
  supervisor_->step();
  const std::vector<Event> events = supervisor_->take_events();
  tell(events);
  checker_.stepped(*supervisor_, events, clock_.wish(), now);
  if (!supervisor_->stopped()) return step_when_wished();
  host_.abandon_all(Duration::zero());
  go_down();
  if (on_stopped_) on_stopped_();
}

void Node::tell(const std::vector<Event>& events) const {
  for (const Event& event : events) {
    parts_.world.tell(name(), [&] { return event_text(event, *supervisor_); });
  }
}

}  // namespace stargazer::sim
