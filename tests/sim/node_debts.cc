// The second half of NodeChecker: what must be true after a step.
#include <algorithm>

#include "sim/node_checker.h"

namespace stargazer::sim {
namespace {

// Putting the reasons of all tasks into words is dear, and they change rarely.
constexpr std::uint64_t kStepsPerStatus = 32;

// A step without input at the instant of the one before may still be owed; a third in a row is a busy loop.
constexpr int kIdleStepsMax = 2;

bool starts(EventKind kind) {
  return kind == EventKind::kRunStarted || kind == EventKind::kWorkerStarted;
}

bool ends(EventKind kind) {
  return kind == EventKind::kRunEnded || kind == EventKind::kWorkerEnded;
}

// Of any that the task can have begun before the calm.
Duration longest_wait(const TaskConfig& task) {
  const Duration pause = task.retries == 0 ? Duration::zero() : retry_pause(task, task.retries);
  return std::max(task.interval, pause) + task.jitter + task.initial_delay;
}

}  // namespace

void NodeChecker::stepped(const Supervisor& supervisor, const std::vector<Event>& events, Instant wish, Instant now) {
  if (stopped_) return;
  for (const Event& event : events) check_event(event);
  for (const auto& [number, run] : runs_) {
    if (run.finished) violated("finished without an event", subjects_[run.subject].name);
  }
  if (supervisor.stopped()) return check_stopped(supervisor);
  const bool leader = supervisor.leader();
  note_leadership(leader, now);
  earliest_debt_ = kNever;
  for (const Subject& subject : subjects_) owe_start(subject, leader, now);
  for (const auto& [number, run] : runs_) owe_run(run, leader, now);
  if (stop_at_) owe(*stop_at_ + config_.scheduler.stop_deadline, "has not stopped", "", now);
  if (cluster_.exclusive() && !stop_at_ && (leader || !has_runs_of_lease())) {
    owe(now + times_.ttl, "no part in the contest", "", now);
  }
  if (wish > earliest_debt_) violated("no wake-up asked for, to prevent", earliest_debt_of_);
  check_livelock(now);
  if (steps_++ % kStepsPerStatus == 0) check_status(supervisor);
}

void NodeChecker::check_event(const Event& event) {
  if (event.kind == EventKind::kStopOverdue) overdue_ = true;
  if (!starts(event.kind) && !ends(event.kind)) return;
  const auto found = runs_.find(event.run);
  if (found == runs_.end() || subjects_[found->second.subject].name != event.task) {
    return violated("an event of a run that does not exist", event.task);
  }
  RunWatch& run = found->second;
  if (starts(event.kind)) {
    if (run.told_start) violated("two events of one start", event.task);
    run.told_start = true;
    return;
  }
  if (!run.told_start) violated("an end without a start", event.task);
  if (!run.finished) violated("said to have ended before it had", event.task);
  check_outcome(run, event);
  check_task_end(subjects_[run.subject], run, event);
  runs_.erase(found);
}

// A Python job's result decides, and without one it has failed; a command's exit code does.
Outcome NodeChecker::expected_outcome(const Subject& subject, const RunWatch& run) {
  if (subject.task != nullptr && std::holds_alternative<PythonJob>(subject.task->job))
    return run.reported.value_or(Outcome::kFailed);
  if (run.status->signal == 0 && run.status->code == 0) return Outcome::kOk;
  return run.status->signal == 0 && run.status->code == 77 ? Outcome::kSkipped : Outcome::kFailed;
}

void NodeChecker::check_outcome(const RunWatch& run, const Event& event) {
  const Subject& subject = subjects_[run.subject];
  bool right = false;
  if (!run.spawned) {
    right = event.outcome == Outcome::kSpawnFailed;
  } else if (run.burnt) {
    right = event.outcome == Outcome::kCancelled;
  } else if (!run.signalled()) {
    right = event.outcome == expected_outcome(subject, run);
  } else if (event.outcome == Outcome::kTimedOut) {
    const Instant first = run.term_at ? *run.term_at : *run.kill_at;
    right = subject.timeout > Duration::zero() && first >= run.started + subject.timeout;
  } else {
    right = event.outcome == Outcome::kCancelled && (stop_at_ || subject.of_lease);
  }
  if (!right) violated(std::string("wrong outcome ") + name_of(event.outcome), subject.name);
  if (run.spawned && event.duration < run.exit_at - run.started) violated("ended sooner than its exit", subject.name);
}

// Whether a run that was stopped had timed out or was cancelled, only its event says. It is heard in the step of the
// end, in which no other attempt can have begun.
void NodeChecker::check_task_end(Subject& subject, const RunWatch& run, const Event& event) {
  if (subject.task == nullptr) return;
  const bool timed_out = run.spawned && event.outcome == Outcome::kTimedOut;
  if (timed_out) {
    subject.attempt = run.attempt;
    plan_task(subject, true, event.at);
  }
  const bool failed = timed_out || (!run.signalled() && has_failed(subject, run));
  const bool again = failed && run.attempt <= subject.task->retries && !stop_at_;
  if (event.attempt != run.attempt) violated("a wrong count of attempts", subject.name);
  if (again != (event.delay != Duration::zero())) violated("a wrong word on retries", subject.name);
}

void NodeChecker::check_stopped(const Supervisor& supervisor) {
  stopped_ = true;
  if (!stop_at_) violated("stopped without a request", "");
  if (overdue_ && held_up_) return;
  for (const Subject& subject : subjects_) {
    if (subject.alive > 0) violated("stopped while a worker lives", subject.name);
  }
  if (supervisor.leader()) violated("stopped as leader", "");
  if (overdue_) return;
  if (!runs_.empty()) violated("stopped before a run had finished", "");
  if (cluster_.exclusive() && !release_asked_) violated("stopped without releasing the lease", "");
}

void NodeChecker::check_status(const Supervisor& supervisor) {
  const std::vector<TaskStatus> all = supervisor.status();
  if (all.size() != subjects_.size()) return violated("status is incomplete", "");
  for (std::size_t index = 0; index < all.size(); ++index) {
    if (all[index].name != subjects_[index].name) violated("status is out of order", all[index].name);
    if (all[index].why.empty()) violated("does not say why", all[index].name);
    if (all[index].running != subjects_[index].run.has_value()) violated("status is wrong", all[index].name);
  }
}

bool NodeChecker::has_runs_of_lease() const {
  return std::any_of(runs_.begin(), runs_.end(),
                     [this](const auto& entry) { return subjects_[entry.second.subject].of_lease; });
}

void NodeChecker::check_livelock(Instant now) {
  idle_steps_ = now == last_step_ && !took_input_ ? idle_steps_ + 1 : 0;
  if (idle_steps_ > kIdleStepsMax) violated("steps without progress", "");
  last_step_ = now;
  took_input_ = false;
}

void NodeChecker::note_leadership(bool leader, Instant now) {
  if (cluster_.exclusive() && leader && now >= granted_ + times_.soft_stop) {
    violated("leader after the soft stop", "");
  }
  if (leader && !was_leader_) {
    for (Subject& subject : subjects_) {
      if (subject.task == nullptr && subject.last_start != now) subject.latest = now;
    }
  }
  was_leader_ = leader;
}

// ---- Debts ----------------------------------------------------------------------------------------------------------

void NodeChecker::owe(Instant deadline, std::string_view what, const std::string& name, Instant now) {
  if (deadline <= now) return violated(what, name);
  if (deadline >= earliest_debt_) return;
  earliest_debt_ = deadline;
  if (world_.trace.on()) earliest_debt_of_ = std::string(what) + (name.empty() ? "" : ": " + name);
}

void NodeChecker::owe_start(const Subject& subject, bool leader, Instant now) {
  if (!subject.scheduled || subject.run || stop_at_ || (subject.of_lease && !leader)) return;
  if (!dependencies_reachable(subject)) return;
  if (subject.task != nullptr && !has_room(subject.task->pool)) return;
  owe(subject.latest, "due, not held, and not started", subject.name, now);
}

void NodeChecker::owe_run(const RunWatch& run, bool leader, Instant now) {
  const Subject& subject = subjects_[run.subject];
  if (run.status) {
    if (!run.given_up) owe(run.exit_at + config_.scheduler.drain_deadline, "output not given up", subject.name, now);
    return;
  }
  if (run.kill_at) return;  // nothing more can be done about it
  if (run.term_at) {
    owe(*run.term_at + subject.grace, "no KILL after the grace", subject.name, now);
  } else if (subject.timeout > Duration::zero()) {
    owe(run.started + subject.timeout, "no TERM at the timeout", subject.name, now);
  }
  owe_stop(run, subject, leader, now);
}

void NodeChecker::owe_stop(const RunWatch& run, const Subject& subject, bool leader, Instant now) {
  if (stop_at_) {
    if (!run.term_at) violated("no TERM after the request to stop", subject.name);
    if (hurried_) violated("no KILL after the second request to stop", subject.name);
    owe(*stop_at_ + config_.scheduler.stop_deadline, "no KILL before the stop deadline", subject.name, now);
  }
  if (!subject.of_lease || !cluster_.exclusive()) return;
  if (!leader && !run.term_at) violated("no TERM after the loss of the lease", subject.name);
  owe(granted_ + times_.hard_kill, "no KILL at lease.hard_kill", subject.name, now);
}

// ---- Progress -------------------------------------------------------------------------------------------------------

void NodeChecker::begin_calm() {
  for (Subject& subject : subjects_) subject.calm_starts = 0;
}

void NodeChecker::check_progress(const Supervisor& supervisor, Duration length) {
  // Room for runs from before the calm to time out, and for a queue before a narrow pool.
  constexpr Duration kQueueing = std::chrono::minutes(6);
  for (const Subject& subject : subjects_) {
    if (!subject.scheduled || (subject.of_lease && !supervisor.leader())) continue;
    if (subject.run || subject.calm_starts > 0 || subject.latest == kNever) continue;
    const Duration turn = subject.task == nullptr ? Duration::zero() : longest_wait(*subject.task);
    if (turn + kQueueing <= length) violated("has not run in the calm", subject.name);
  }
}

}  // namespace stargazer::sim
