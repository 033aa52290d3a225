#include "core/supervisor.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "core/gate.h"
#include "core/lease.h"
#include "core/pool.h"
#include "core/random.h"
#include "core/runs.h"
#include "core/supervised_table.h"
#include "core/task_table.h"
#include "core/timers.h"

namespace stargazer {

class Supervisor::Impl {
 public:
  Impl(Config config, Registry registry, Clock& clock, LeaseStore* store, WorkerHost& host, SupervisorOptions options)
      : config_(std::move(config)),
        registry_(std::move(registry)),
        options_(std::move(options)),
        clock_(clock),
        store_(store),
        random_(options_.seed),
        pools_(config_.scheduler.max_concurrent_runs, config_.pools),
        runs_(host, timers_, config_.scheduler.drain_deadline, events_),
        tasks_(registry_.tasks, gates_, pools_, timers_),
        lease_({lease_times(config_.lease), store != nullptr, config_.lease.nodes == 1, options_.lease_memory,
                options_.lease_rules}),
        supervised_(registry_.supervised, timers_) {}

  void start();
  void post(Input input) {
    if (!stopped_) inbox_.push_back(std::move(input));
  }
  void step();

  std::vector<Event> take_events() { return std::exchange(events_, {}); }
  bool leader() const { return lease_.leader(); }
  const LeaseMemory& lease_memory() const { return lease_.memory(); }
  bool lease_overdue() const;
  bool stopped() const { return stopped_; }
  std::size_t worker_count() const { return runs_.size(); }
  std::vector<TaskStatus> status() const;
  std::uint64_t epoch_of(RunId run) const { return runs_.epoch_of(run); }
  std::string run_id_text(RunId run) const { return options_.run_id_prefix + "-" + std::to_string(run.number); }

 private:
  void take_in(Instant now);
  void on_last_ends(const LastEndsLearnt& learnt, Instant now);
  void on_dependency(const DependencyChanged& changed, Instant now);
  void on_stop_requested(const StopRequested& requested, Instant now);
  void take_due(Instant now);
  void on_timer(const Timer& timer, Instant now);
  bool means_something(const Timer& timer) const;
  void settle_finished(Instant now);
  void settle_task(const FinishedRun& finished, Instant now);
  void settle_supervised(const FinishedRun& finished, Instant now);
  void start_tasks(Instant now);
  void start_task(std::uint32_t index, Instant now);
  void start_supervised(Instant now);
  void start_worker(std::uint32_t index, Instant now);
  void move_lease(Instant now);
  void tell_lease(const LeaseEffects& effects, Instant now);
  void apply_lease(const LeaseEffects& effects, Instant now);
  void extend_fuse();
  void send(const LeaseRequest& request);
  Instant fuse() const { return store_ == nullptr ? kNever : lease_.hard_kill_at(); }
  void finish_stop(Instant now);
  void set_wake(Instant now);
  TaskStatus supervised_status(std::uint32_t index, Instant now) const;

  Event& tell(EventKind kind, Instant now) {
    Event& event = events_.emplace_back();
    event.kind = kind;
    event.at = now;
    return event;
  }

  Event& tell_run(EventKind kind, const std::string& name, RunId run, Instant now) {
    Event& event = tell(kind, now);
    event.task = name;
    event.run = run;
    return event;
  }

  Event& tell_end(EventKind kind, const std::string& name, const FinishedRun& finished, Instant now) {
    Event& event = tell_run(kind, name, finished.run, now);
    event.epoch = finished.epoch;
    event.outcome = finished.outcome;
    event.duration = finished.duration;
    event.detail = finished.cause;
    event.error = finished.error;
    return event;
  }

  const Config config_;
  const Registry registry_;
  const SupervisorOptions options_;
  Clock& clock_;
  LeaseStore* store_;

  std::vector<Input> inbox_;
  std::vector<Event> events_;
  Timers timers_;
  Random random_;
  Gates gates_;
  Pools pools_;  // before runs_, which hold its permits
  Runs runs_;
  TaskTable tasks_;
  Lease lease_;
  SupervisedTable supervised_;
  Instant fuse_ = kNever;  // as the host knows it
  bool last_ends_known_ = false;
  Instant last_step_{};
  bool started_ = false;
  bool stopping_ = false;
  bool stopped_ = false;
};

void Supervisor::Impl::start() {
  if (started_) return;
  started_ = true;
  const Instant now = clock_.now();
  if (config_.redis) gates_.watch(Dependency::kRedis, now);
  if (config_.kg) gates_.watch(Dependency::kKg, now);
  for (const std::uint32_t index : tasks_.start(options_.last_ends, now, clock_.wall_now(), random_)) {
    tell(EventKind::kLastEndInFuture, now).task = tasks_.plan(index).config.name;
  }
  lease_.start(now);
  clock_.wake_at(now);  // without a store the node is leader now, which no timer and no reply will tell
}

void Supervisor::Impl::step() {
  const Instant now = clock_.now();
  assert(now >= last_step_);
  last_step_ = now;
  if (!started_ || stopped_) return;
  take_in(now);
  take_due(now);
  settle_finished(now);
  move_lease(now);
  if (!stopping_) {
    start_tasks(now);
    start_supervised(now);
  }
  finish_stop(now);
  set_wake(now);
}

// Inputs of one kind in the order of their arrival, the kinds in the order of supervisor.h.
void Supervisor::Impl::take_in(Instant now) {
  const std::vector<Input> inputs = std::exchange(inbox_, {});
  for (const Input& input : inputs) {
    if (const auto* reported = std::get_if<RunReported>(&input)) runs_.on_reported(*reported);
    if (const auto* refused = std::get_if<SayingRefused>(&input)) runs_.on_refused(*refused);
    if (const auto* said = std::get_if<ProgressReported>(&input)) runs_.on_progress(*said);
  }
  for (const Input& input : inputs) {
    if (const auto* exited = std::get_if<Exited>(&input)) runs_.on_exited(*exited, now);
    if (const auto* closed = std::get_if<ChannelClosed>(&input)) runs_.on_channel_closed(closed->run, now);
  }
  for (const Input& input : inputs) {
    if (const auto* reply = std::get_if<LeaseReply>(&input)) lease_.on_reply(*reply, now, random_);
  }
  for (const Input& input : inputs) {
    if (std::holds_alternative<LeaseAnnounced>(input)) lease_.on_announced(now, random_);
    if (const auto* learnt = std::get_if<LastEndsLearnt>(&input)) on_last_ends(*learnt, now);
    if (const auto* changed = std::get_if<DependencyChanged>(&input)) on_dependency(*changed, now);
    if (const auto* requested = std::get_if<StopRequested>(&input)) on_stop_requested(*requested, now);
  }
}

// What is learnt late, in another term than it was asked for, is at least as new as what that term would be told.
void Supervisor::Impl::on_last_ends(const LastEndsLearnt& learnt, Instant now) {
  if (!lease_.leader() || last_ends_known_) return;
  last_ends_known_ = true;
  tasks_.learn(learnt.last_ends, now, clock_.wall_now());
  gates_.set_leader(true, true);
  tasks_.recheck_held();
}

void Supervisor::Impl::on_dependency(const DependencyChanged& changed, Instant now) {
  const bool is_news = gates_.set_reachable(changed.dependency, changed.reachable, changed.cause, now);
  if (changed.dependency == Dependency::kRedis && changed.reachable) lease_.on_store_reachable(now);
  if (!is_news && changed.reachable) return;
  Event& event = tell(changed.reachable ? EventKind::kDependencyUp : EventKind::kDependencyDown, now);
  event.task = name_of(changed.dependency);
  event.detail = changed.cause;
  if (changed.reachable) tasks_.recheck_held();
}

void Supervisor::Impl::on_stop_requested(const StopRequested& requested, Instant now) {
  if (stopping_) {
    tell(EventKind::kStopHurried, now).detail = requested.cause;
    runs_.kill_all("the scheduler is stopping", now);
    return;
  }
  stopping_ = true;
  tell(EventKind::kStopping, now).detail = requested.cause;
  tasks_.stop();
  runs_.cancel_all("the scheduler is stopping", now);
  lease_.stop();
  const Duration deadline = config_.scheduler.stop_deadline;
  timers_.add({now + deadline - stop_kill_lead(deadline), Timer::Kind::kStopDeadline, 0});
  timers_.add({now + deadline, Timer::Kind::kStopOverdue, 0});
}

void Supervisor::Impl::take_due(Instant now) {
  while (timers_.earliest() <= now) on_timer(timers_.take(), now);
  if (timers_.worth_sweeping()) timers_.sweep([this](const Timer& timer) { return means_something(timer); });
}

bool Supervisor::Impl::means_something(const Timer& timer) const {
  switch (timer.kind) {
    case Timer::Kind::kTaskDue: return tasks_.waits_for(static_cast<std::uint32_t>(timer.number), timer.at);
    case Timer::Kind::kRunTimeout:
    case Timer::Kind::kRunGraceOver:
    case Timer::Kind::kRunDrainOver: return runs_.contains(RunId{timer.number});
    case Timer::Kind::kWorkerRestart:
    case Timer::Kind::kStopDeadline:
    case Timer::Kind::kStopOverdue: break;
  }
  return true;
}

void Supervisor::Impl::on_timer(const Timer& timer, Instant now) {
  switch (timer.kind) {
    case Timer::Kind::kTaskDue: tasks_.on_due(static_cast<std::uint32_t>(timer.number), now); break;
    case Timer::Kind::kWorkerRestart: break;  // start_supervised looks at next_start itself
    case Timer::Kind::kRunTimeout:
    case Timer::Kind::kRunGraceOver:
    case Timer::Kind::kRunDrainOver: runs_.on_timer(timer, now); break;
    case Timer::Kind::kStopDeadline: runs_.kill_all("the stop deadline is near", now); break;
    case Timer::Kind::kStopOverdue:
      tell(EventKind::kStopOverdue, now).detail = runs_.size() > 0 ? runs_.names() : "the release of the lease";
      stopped_ = true;
      break;
  }
}

void Supervisor::Impl::settle_finished(Instant now) {
  for (const FinishedRun& finished : runs_.take_finished()) {
    if (finished.owner == RunOwner::kTask) {
      settle_task(finished, now);
    } else {
      settle_supervised(finished, now);
    }
  }
}

void Supervisor::Impl::settle_task(const FinishedRun& finished, Instant now) {
  const std::uint32_t index = finished.owner_index;
  Event& event = tell_end(EventKind::kRunEnded, tasks_.plan(index).config.name, finished, now);
  event.attempt = tasks_.attempt(index);
  event.delay = tasks_.run_ended(index, finished.outcome, finished.cause, now, random_).value_or(Duration::zero());
}

void Supervisor::Impl::settle_supervised(const FinishedRun& finished, Instant now) {
  Event& event = tell_end(EventKind::kWorkerEnded, supervised_.config(finished.owner_index).name, finished, now);
  if (finished.outcome == Outcome::kFailed && now >= fuse_) {
    event.outcome = Outcome::kCancelled;
    event.detail = "its fuse has burnt: the lease was not renewed in time";
  }
  event.delay = supervised_.run_ended(finished.owner_index, event.outcome, finished.duration, now, random_);
}

void Supervisor::Impl::start_tasks(Instant now) {
  while (const std::optional<std::uint32_t> index = tasks_.take_startable()) start_task(*index, now);
  for (const std::uint32_t index : tasks_.take_newly_held()) {
    Event& event = tell(EventKind::kTaskHeld, now);
    event.task = tasks_.plan(index).config.name;
    event.detail = tasks_.hold_reason(index, now);
  }
}

void Supervisor::Impl::start_task(std::uint32_t index, Instant now) {
  const TaskConfig& task = tasks_.plan(index).config;
  RunPlan plan = task_plan(task, index);
  plan.attempt = tasks_.attempt(index);
  if (plan.of_lease) plan.epoch = lease_.epoch();
  if (plan.of_lease) plan.fuse = fuse();
  const RunId id = runs_.next_id();
  tell_run(EventKind::kRunStarted, task.name, id, now).attempt = plan.attempt;
  tasks_.run_started(index, id);
  const Result<RunId> run = runs_.start(plan, pools_.take(tasks_.pool(index)), run_id_text(id), now);
  if (run.ok()) return;
  settle_task({.run = id,
               .owner_index = index,
               .outcome = Outcome::kSpawnFailed,
               .cause = run.error().message(),
               .epoch = plan.epoch},
              now);
}

void Supervisor::Impl::start_supervised(Instant now) {
  while (lease_.leader()) {
    const std::optional<std::uint32_t> index = supervised_.startable(now);
    if (!index) return;
    start_worker(*index, now);
  }
}

void Supervisor::Impl::start_worker(std::uint32_t index, Instant now) {
  const SupervisedConfig& worker = supervised_.config(index);
  const LeaseTimes times = lease_times(config_.lease);
  RunPlan plan = worker_plan(worker, index, times.hard_kill - times.soft_stop);
  plan.epoch = lease_.epoch();
  plan.fuse = fuse();
  const RunId id = runs_.next_id();
  tell_run(EventKind::kWorkerStarted, worker.name, id, now);
  supervised_.run_started(index, id);
  const Result<RunId> run = runs_.start(plan, std::nullopt, run_id_text(id), now);
  if (run.ok()) return;
  Event& event = tell_end(EventKind::kWorkerEnded, worker.name,
                          {.run = id, .outcome = Outcome::kSpawnFailed, .cause = run.error().message()}, now);
  event.delay = supervised_.run_ended(index, event.outcome, Duration::zero(), now, random_);
}

void Supervisor::Impl::move_lease(Instant now) {
  const auto since_1970 = clock_.wall_now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_1970).count();
  // The time of day as a floor for new epochs. A clock before 1970 gives none.
  const auto floor = static_cast<std::uint64_t>(std::max<std::int64_t>(seconds, 0));
  const LeaseEffects effects = lease_.advance(now, runs_.of_lease_count() == 0, floor, random_);
  tell_lease(effects, now);
  apply_lease(effects, now);
  extend_fuse();
}

void Supervisor::Impl::tell_lease(const LeaseEffects& effects, Instant now) {
  if (!effects.failure.empty()) {
    Event& event = tell(EventKind::kLeaseRequestFailed, now);
    event.detail = effects.failure;
    event.delay = effects.retry_in;
  }
  if (!effects.hold_off.empty()) {
    Event& event = tell(EventKind::kLeaseHoldOff, now);
    event.detail = effects.hold_off;
    event.delay = effects.hold_off_for;
  }
  if (!effects.new_holder.empty()) tell(EventKind::kLeaseHeldByOther, now).detail = effects.new_holder;
  if (effects.recreated) tell(EventKind::kLeaseRecreated, now).epoch = lease_.epoch();
  if (effects.released) tell(EventKind::kLeaseReleased, now);
}

void Supervisor::Impl::apply_lease(const LeaseEffects& effects, Instant now) {
  if (effects.request) send(*effects.request);
  if (effects.gained) last_ends_known_ = store_ == nullptr || !options_.last_ends_are_shared;
  gates_.set_leader(lease_.leader(), last_ends_known_);
  if (effects.gained) {
    Event& event = tell(EventKind::kLeaseGained, now);
    event.detail = store_ == nullptr ? "standalone" : "";
    event.epoch = lease_.epoch();
    supervised_.lease_gained(now);
    tasks_.recheck_held();
  }
  if (effects.lost) {
    tell(EventKind::kLeaseLost, now).detail = effects.reason;
    runs_.cancel_of_lease("the lease was lost: " + effects.reason, now);
  }
  if (effects.kill_workers) runs_.kill_of_lease("the lease was lost", now);
}

// Only a leader's deadline moves on; what is left of a lost term burns when it was told to.
void Supervisor::Impl::extend_fuse() {
  if (!lease_.leader() || fuse_ == fuse()) return;
  fuse_ = fuse();
  runs_.extend_fuse(fuse_);
}

bool Supervisor::Impl::lease_overdue() const {
  if (store_ == nullptr || runs_.of_lease_count() == 0) return false;
  return clock_.now() >= lease_.hard_kill_at() + lease_times(config_.lease).margin();
}

void Supervisor::Impl::send(const LeaseRequest& request) {
  switch (request.action) {
    case LeaseAction::kObserve: store_->observe(request.id); break;
    case LeaseAction::kAcquire: store_->acquire(request.id, request.claim); break;
    case LeaseAction::kRenew: store_->renew(request.id, request.epoch); break;
    case LeaseAction::kRecreate: store_->recreate(request.id, request.claim); break;
    case LeaseAction::kRelease: store_->release(request.id); break;
  }
}

void Supervisor::Impl::finish_stop(Instant now) {
  if (!stopping_) return;
  if (!stopped_ && (runs_.size() > 0 || !lease_.ended())) return;
  stopped_ = true;
  tell(EventKind::kStopped, now);
}

void Supervisor::Impl::set_wake(Instant now) {
  if (stopped_) {
    clock_.wake_at(kNever);
    return;
  }
  const Instant due = std::min(timers_.earliest(), lease_.next_wake());
  clock_.wake_at(inbox_.empty() ? due : now);
}

std::vector<TaskStatus> Supervisor::Impl::status() const {
  const Instant now = std::max(clock_.now(), last_step_);
  std::vector<TaskStatus> all;
  for (std::uint32_t index = 0; index < tasks_.size(); ++index) {
    TaskStatus& status = all.emplace_back();
    status.name = tasks_.plan(index).config.name;
    status.running = tasks_.running(index);
    status.run_count = tasks_.run_count(index);
    status.failure_count = tasks_.failure_count(index);
    status.why = status.running ? runs_.running_text(tasks_.run(index), now) : tasks_.why(index, now);
  }
  for (std::uint32_t index = 0; index < supervised_.size(); ++index) all.push_back(supervised_status(index, now));
  return all;
}

TaskStatus Supervisor::Impl::supervised_status(std::uint32_t index, Instant now) const {
  const std::optional<RunId> run = supervised_.run(index);
  TaskStatus status;
  status.name = supervised_.config(index).name;
  status.supervised = true;
  status.running = run.has_value();
  status.run_count = supervised_.run_count(index);
  status.failure_count = supervised_.failure_count(index);
  if (status.running) {
    status.why = runs_.running_text(*run, now);
  } else if (!supervised_.scheduled(index)) {
    status.why = registry_.supervised[index].reason;
  } else if (stopping_ || !started_) {
    status.why = "the scheduler is not running";
  } else if (!lease_.leader()) {
    status.why = "this node is not the leader: " + lease_.why_not_leader(now);
  } else {
    status.why = supervised_.why(index, now);
  }
  return status;
}

Supervisor::Supervisor(Config config, Registry registry, Clock& clock, LeaseStore* store, WorkerHost& host,
                       SupervisorOptions options)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(registry), clock, store, host, std::move(options))) {}
Supervisor::~Supervisor() = default;
void Supervisor::start() {
  impl_->start();
}
void Supervisor::post(Input input) {
  impl_->post(std::move(input));
}
void Supervisor::step() {
  impl_->step();
}
std::vector<Event> Supervisor::take_events() {
  return impl_->take_events();
}
bool Supervisor::leader() const {
  return impl_->leader();
}
const LeaseMemory& Supervisor::lease_memory() const {
  return impl_->lease_memory();
}
bool Supervisor::lease_overdue() const {
  return impl_->lease_overdue();
}
bool Supervisor::stopped() const {
  return impl_->stopped();
}
std::size_t Supervisor::worker_count() const {
  return impl_->worker_count();
}
std::vector<TaskStatus> Supervisor::status() const {
  return impl_->status();
}
std::string Supervisor::run_id_text(RunId run) const {
  return impl_->run_id_text(run);
}
std::uint64_t Supervisor::epoch_of(RunId run) const {
  return impl_->epoch_of(run);
}

}  // namespace stargazer
