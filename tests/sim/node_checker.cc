#include "sim/node_checker.h"

#include <algorithm>

#include "core/restart.h"

namespace stargazer::sim {

NodeChecker::NodeChecker(World& world, ClusterWatch& cluster, std::size_t node, const Config& config,
                         const Registry& registry)
    : world_(world),
      cluster_(cluster),
      node_(node),
      who_("n" + std::to_string(node + 1)),
      config_(config),
      times_(lease_times(config.lease)) {
  for (const PlannedTask& task : registry.tasks) {
    Subject& subject = subjects_.emplace_back();
    subject.name = task.config.name;
    subject.task = &task.config;
    subject.scheduled = task.scheduled;
    subject.of_lease = task.config.run_on == RunOn::kLeader;
    subject.timeout = task.config.timeout;
    subject.grace = task.config.stop_grace;
  }
  const Duration grace_max = times_.hard_kill - times_.soft_stop;
  for (const PlannedWorker& worker : registry.supervised) {
    Subject& subject = subjects_.emplace_back();
    subject.name = worker.config.name;
    subject.scheduled = worker.scheduled;
    subject.of_lease = true;
    const Duration asked = worker.config.stop_grace;
    subject.grace = asked == Duration::zero() ? grace_max : std::min(asked, grace_max);
  }
  for (std::size_t index = 0; index < subjects_.size(); ++index) by_name_[subjects_[index].name] = index;
}

void NodeChecker::violated(std::string_view invariant, const std::string& name) {
  world_.verdict.violated(who_, std::string(invariant) + (name.empty() ? "" : ": " + name));
}

void NodeChecker::booted(Instant now) {
  runs_.clear();
  pool_used_.clear();
  used_ = 0;
  requested_.clear();
  fuse_ = kNever;
  ever_granted_ = was_leader_ = release_asked_ = hurried_ = overdue_ = held_up_ = stopped_ = false;
  stop_at_.reset();
  idle_steps_ = 0;
  reachable_.fill(true);
  reachable_[static_cast<std::size_t>(Dependency::kRedis)] = !config_.redis;
  reachable_[static_cast<std::size_t>(Dependency::kKg)] = !config_.kg;
  for (Subject& subject : subjects_) {
    subject.run.reset();
    subject.backoff = kCrashBackoffMin;
    subject.attempt = 1;
    if (subject.task == nullptr) continue;
    subject.earliest = now + subject.task->initial_delay;
    subject.latest = subject.earliest + subject.task->jitter;
  }
}

// ---- What the fakes see ---------------------------------------------------------------------------------------------

bool NodeChecker::dependencies_reachable(const Subject& subject) const {
  if (subject.task == nullptr) return true;
  for (const Dependency dependency : subject.task->dependencies.members()) {
    if (!reachable_[static_cast<std::size_t>(dependency)]) return false;
  }
  return true;
}

bool NodeChecker::has_room(const std::string& pool) const {
  if (used_ >= config_.scheduler.max_concurrent_runs) return false;
  const auto used = pool_used_.find(pool);
  return pool.empty() || used == pool_used_.end() || used->second < config_.pools.at(pool).limit;
}

void NodeChecker::check_start(const Subject& subject, Instant now) {
  if (!subject.scheduled) violated("started though it is not scheduled", subject.name);
  if (stop_at_) violated("started after the request to stop", subject.name);
  if (subject.run) violated("started before its last run had finished", subject.name);
  if (subject.alive > 0) violated("overlaps itself", subject.name);
  if (!dependencies_reachable(subject)) violated("started behind a closed gate", subject.name);
  const bool new_term = subject.task == nullptr && !was_leader_;
  if (now < subject.earliest && !new_term) violated("started too early", subject.name);
  const bool leads = !cluster_.exclusive() || (ever_granted_ && now < granted_ + times_.soft_stop);
  if (subject.of_lease && !leads) violated("started without the lease", subject.name);
  if (subject.task != nullptr && !has_room(subject.task->pool)) violated("started beyond a limit", subject.name);
}

// Rule 5: what the host is told must not be later than what this node knows of its lease.
void NodeChecker::check_fuse(const Subject& subject, const SpawnRequest& request) {
  const bool of_lease = subject.of_lease && cluster_.exclusive();
  if (of_lease != (request.epoch != 0)) violated("started with a wrong epoch", subject.name);
  if (!of_lease && request.fuse != kNever) violated("started with a fuse outside of the lease", subject.name);
  if (of_lease && request.fuse > granted_ + times_.hard_kill) violated("started with a long fuse", subject.name);
}

void NodeChecker::spawn_asked(const SpawnRequest& request, bool succeeds, Instant now) {
  const auto named = by_name_.find(request.name);
  if (named == by_name_.end()) return violated("started something unknown", request.name);
  Subject& subject = subjects_[named->second];
  check_start(subject, now);
  check_fuse(subject, request);
  if (request.attempt != subject.attempt) violated("started as a wrong attempt", subject.name);
  if (request.fuse != kNever) fuse_ = request.fuse;
  RunWatch& run = runs_[request.run];
  if (run.spawned) violated("used a run id twice", subject.name);
  run = RunWatch{};
  run.subject = named->second;
  run.started = now;
  run.attempt = request.attempt;
  run.spawned = true;
  subject.last_start = now;
  ++subject.calm_starts;
  if (!succeeds) {
    run.finished = true;
    run.spawned = false;
    plan_next(subject, run, now);
    return;
  }
  subject.run = request.run;
  ++subject.alive;
  if (subject.of_lease) cluster_.worker_started(node_, subject.name);
  if (subject.task == nullptr) return;
  ++used_;
  ++pool_used_[subject.task->pool];
}

void NodeChecker::signalled(RunId number, StopSignal signal, Instant now) {
  const auto found = runs_.find(number);
  if (found == runs_.end() || found->second.status) {
    return violated("signalled after its exit", "run " + std::to_string(number.number));
  }
  RunWatch& run = found->second;
  std::optional<Instant>& sent = signal == StopSignal::kKill ? run.kill_at : run.term_at;
  if (sent || run.kill_at) violated("signalled the same way twice, or after KILL", subjects_[run.subject].name);
  sent = now;
}

void NodeChecker::output_given_up(RunId number, Instant now) {
  const auto found = runs_.find(number);
  if (found == runs_.end()) return violated("output given up of a finished run", std::to_string(number.number));
  RunWatch& run = found->second;
  run.given_up = true;
  if (!run.status || now < run.exit_at + config_.scheduler.drain_deadline) {
    violated("output given up before the drain deadline", subjects_[run.subject].name);
  }
}

void NodeChecker::process_gone(const std::string& name, Instant now) {
  Subject& subject = subjects_[by_name_.at(name)];
  --subject.alive;
  if (!subject.of_lease) return;
  cluster_.worker_gone(node_);
  const Instant dead_by = granted_ + times_.hard_kill + kill_latency_max_;
  if (!cluster_.exclusive() || now <= dead_by) return;
  world_.findings.found(Invariant::kDeadAtKill, who_,
                        name + " lived " + format_duration(now - dead_by) + " longer than it may");
}

void NodeChecker::lease_requested(LeaseRequestId id, bool release, Instant now) {
  if (!requested_.emplace(id, now).second) violated("used a lease request id twice", "");
  release_asked_ = release_asked_ || release;
}

void NodeChecker::lease_released() {
  if (cluster_.alive(node_) > 0) violated("released the lease before its workers were gone", "");
}

// ---- Inputs ---------------------------------------------------------------------------------------------------------

void NodeChecker::takes(const Input& input, Instant now) {
  took_input_ = true;
  if (const auto* exited = std::get_if<Exited>(&input)) note_exit(*exited, now);
  if (const auto* closed = std::get_if<ChannelClosed>(&input)) note_closed(closed->run, now);
  if (const auto* reported = std::get_if<RunReported>(&input)) {
    if (const auto run = runs_.find(reported->run); run != runs_.end() && !run->second.reported)
      run->second.reported = reported->outcome;
  }
  if (const auto* reply = std::get_if<LeaseReply>(&input)) note_reply(*reply, now);
  if (const auto* changed = std::get_if<DependencyChanged>(&input)) {
    reachable_[static_cast<std::size_t>(changed->dependency)] = changed->reachable;
  }
  if (std::holds_alternative<StopRequested>(input)) note_stop(now);
}

void NodeChecker::note_exit(const Exited& exited, Instant now) {
  const auto found = runs_.find(exited.run);
  if (found == runs_.end()) return;
  found->second.status = exited.status;
  found->second.exit_at = now;
  finish_if_complete(found->second, now);
}

void NodeChecker::note_closed(RunId run, Instant now) {
  const auto found = runs_.find(run);
  if (found == runs_.end()) return;
  found->second.closed = true;
  finish_if_complete(found->second, now);
}

void NodeChecker::note_reply(const LeaseReply& reply, Instant now) {
  const auto asked = requested_.find(reply.id);
  if (asked == requested_.end()) return;
  const Instant sent = asked->second;
  requested_.erase(asked);
  // A reply that arrives after its timeout is ignored for the deadline (LEASE.md rule 4).
  if (reply.answer != LeaseReply::Answer::kGranted || now >= sent + times_.request_timeout) return;
  granted_ = ever_granted_ ? std::max(granted_, sent) : sent;
  ever_granted_ = true;
}

void NodeChecker::note_stop(Instant now) {
  hurried_ = stop_at_.has_value();
  if (!stop_at_) stop_at_ = now;
}

void NodeChecker::finish_if_complete(RunWatch& run, Instant now) {
  if (!run.status || !run.closed) return;
  run.finished = true;
  Subject& subject = subjects_[run.subject];
  subject.run.reset();
  const bool failed = run.status->signal != 0 || (run.status->code != 0 && run.status->code != 77);
  run.burnt = subject.task == nullptr && !run.signalled() && failed && now >= fuse_;
  if (subject.task != nullptr) {
    --used_;
    --pool_used_[subject.task->pool];
  }
  plan_next(subject, run, now);
}

void NodeChecker::plan_next(Subject& subject, const RunWatch& run, Instant now) {
  if (subject.task != nullptr) {
    plan_task(subject, !run.signalled() && has_failed(subject, run), now);
  } else if (run.signalled() || run.burnt) {
    subject.earliest = subject.latest = now;
  } else {
    const int code = run.status && run.status->signal == 0 ? run.status->code : 1;
    const bool clean = run.spawned && (code == 0 || code == 77);
    plan_restart(subject, !clean, now - run.started, now);
  }
}

bool NodeChecker::has_failed(const Subject& subject, const RunWatch& run) {
  return !run.spawned || expected_outcome(subject, run) == Outcome::kFailed;
}

// `retries` more attempts after a failure, the pause before each twice the one before, up to an hour.
void NodeChecker::plan_task(Subject& subject, bool failed, Instant now) {
  const TaskConfig& task = *subject.task;
  const bool again = failed && subject.attempt <= task.retries;
  Duration pause = task.interval;
  if (again) {
    const Duration longest = std::max<Duration>(std::chrono::hours(1), task.retry_backoff);
    pause = std::min(task.retry_backoff * (1U << (subject.attempt - 1)), longest);
  }
  subject.attempt = again ? subject.attempt + 1 : 1;
  subject.earliest = task.once && !again ? kNever : now + pause;
  subject.latest = task.once && !again ? kNever : subject.earliest + task.jitter;
}

// SPEC section 4, with the random tenth of core/restart.h.
void NodeChecker::plan_restart(Subject& subject, bool crashed, Duration lasted, Instant now) {
  using std::chrono::seconds;
  if (!crashed || lasted > seconds(60)) subject.backoff = seconds(1);
  const Duration pause = crashed ? subject.backoff : seconds(5);
  if (crashed) subject.backoff = std::min<Duration>(2 * subject.backoff, seconds(60));
  subject.earliest = now + pause;
  subject.latest = now + std::min<Duration>(pause + pause / 10, seconds(60));
}

}  // namespace stargazer::sim
