#include "sim/node.h"

#include <cassert>
#include <utility>

namespace stargazer::sim {

Node::Node(const NodeParts& parts, std::size_t index, Rate rate, FakeWorkerHost::Planner planner)
    : parts_(parts),
      index_(index),
      clock_(parts.world.timeline, rate),
      checker_(parts.world, parts.cluster, index, parts.config, parts.registry),
      host_(
          parts.world, clock_, checker_, std::move(planner), [this](const Input& input) { post(input); },
          [this](std::uint64_t epoch) { store_->write(epoch); }) {
  if (parts.server == nullptr) return;
  store_ = std::make_unique<FakeLeaseStore>(parts.world, *parts.server, clock_, checker_,
                                            [this](const Input& input) { post(input); });
}

void Node::boot(Duration connects_after) {
  assert(!up());
  ++incarnation_;
  stopping_ = daemon_stopped_ = false;
  const std::string life = name() + (incarnation_ == 1 ? "" : "." + std::to_string(incarnation_));
  SupervisorOptions options;
  options.seed = parts_.world.random.next();
  options.run_id_prefix = life;
  options.lease_memory = memory_;
  options.lease_rules = parts_.world.broken.rules;
  clock_.wake_at(kNever);
  supervisor_ =
      std::make_unique<Supervisor>(parts_.config, parts_.registry, clock_, store_.get(), host_, std::move(options));
  parts_.world.tell(name(), [] { return "boots"; });
  checker_.booted(clock_.now());
  supervisor_->start();
  step_after(Duration::zero());
  if (store_) store_->boot(fixed_id_ ? name() : life, life, connects_after);
}

void Node::crash(Duration children_leave_max) {
  parts_.world.tell(name(), [] { return "crashes"; });
  host_.abandon_all(children_leave_max);
  go_down();
}

void Node::go_down() {
  supervisor_.reset();
  inbox_.clear();
  daemon_stopped_ = false;
  if (store_) store_->go_down();
  next_step_ = kNever;
  ++step_ticket_;
}

void Node::stop_daemon(bool stopped) {
  if (!up() || daemon_stopped_ == stopped) return;
  parts_.world.tell(name(), [&] { return std::string("daemon SIG") + (stopped ? "STOP" : "CONT"); });
  daemon_stopped_ = stopped;
  if (stopped) return;
  checker_.daemon_continued();
  step_after(Duration::zero());
}

void Node::pause_machine(bool paused) {
  if (clock_.paused() == paused) return;
  parts_.world.tell(name(), [&] { return std::string("machine ") + (paused ? "stands still" : "goes on"); });
  paused ? clock_.pause() : clock_.resume();
}

void Node::post(const Input& input) {
  if (!up()) return;
  if (clock_.paused()) {  // what arrives waits for the machine
    clock_.after(Duration::zero(), [this, input, incarnation = incarnation_] {
      if (incarnation == incarnation_) post(input);
    });
    return;
  }
  if (std::holds_alternative<StopRequested>(input)) stopping_ = true;
  inbox_.push_back(input);
  supervisor_->post(input);
  step_after(parts_.world.random.up_to(step_delay_max_));
}

void Node::step_after(Duration delay) {
  const Instant when = clock_.now() + delay;
  if (when >= next_step_) return;
  next_step_ = when;
  clock_.after(delay, [this, ticket = ++step_ticket_] { come_round(ticket); });
}

void Node::step_when_wished() {
  if (clock_.wish() == kNever) return;
  const Instant when = clock_.wish() + parts_.world.random.up_to(step_delay_max_);
  if (when >= next_step_) return;
  next_step_ = when;
  clock_.at(when, [this, ticket = ++step_ticket_] { come_round(ticket); });
}

void Node::come_round(std::uint64_t ticket) {
  if (ticket != step_ticket_) return;
  next_step_ = kNever;
  if (!daemon_stopped_) step();
}

void Node::step() {
  ++steps_;
  const Instant now = clock_.now();
  for (const Input& input : inbox_) checker_.takes(input, now);
  inbox_.clear();
  supervisor_->step();
  const std::vector<Event> events = supervisor_->take_events();
  tell(events);
  checker_.stepped(*supervisor_, events, clock_.wish(), now);
  memory_ = supervisor_->lease_memory();
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
