#include "core/runs.h"

#include <array>
#include <cassert>
#include <cstdio>
#include <utility>

namespace stargazer {
namespace {

const std::string kTimeoutPassed = "its timeout has passed";

std::string describe(const ExitStatus& status) {
  if (status.signal != 0) return "killed by signal " + std::to_string(status.signal);
  return "exit code " + std::to_string(status.code);
}

bool decided_by_report(const Job& job) {
  return std::holds_alternative<PythonJob>(job) || std::holds_alternative<PluginJob>(job);
}

// What a run that cannot say so itself was about to do.
std::string name_in_cause(const Job& job) {
  const auto* plugin = std::get_if<PluginJob>(&job);
  return plugin == nullptr ? "it" : "job " + plugin->job + " of plugin " + plugin->library;
}

// "40 of 100: reading".
std::string progress_text(const ProgressReported& progress) {
  const auto number = [](double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.10g", value);
    return std::string(text.data());
  };
  std::string text = number(progress.done);
  if (progress.total > 0) text += " of " + number(progress.total);
  return progress.message.empty() ? text : text + ": " + progress.message;
}

// What tasks and supervised workers have in common.
template <typename Configured>
RunPlan plan_of(const Configured& what, RunOwner owner, std::uint32_t index) {
  RunPlan plan;
  plan.owner = owner;
  plan.owner_index = index;
  plan.name = &what.name;
  plan.job = &what.job;
  plan.environment = &what.environment;
  plan.working_directory = &what.working_directory;
  plan.limits = &what.limits;
  plan.settings = &what.settings;
  plan.arguments = what.dependencies;
  plan.stop_grace = what.stop_grace;
  return plan;
}

}  // namespace

RunPlan task_plan(const TaskConfig& task, std::uint32_t index) {
  RunPlan plan = plan_of(task, RunOwner::kTask, index);
  plan.timeout = task.timeout;
  plan.of_lease = task.run_on == RunOn::kLeader;
  if (task.warm.keep) plan.warm = &task.warm;
  return plan;
}

RunPlan worker_plan(const SupervisedConfig& worker, std::uint32_t index, Duration grace_max) {
  RunPlan plan = plan_of(worker, RunOwner::kSupervised, index);
  if (plan.stop_grace == Duration::zero() || plan.stop_grace > grace_max) plan.stop_grace = grace_max;
  plan.of_lease = true;
  return plan;
}

Result<RunId> Runs::start(const RunPlan& plan, std::optional<Permit> permit, std::string run_id_text, Instant now) {
  const RunId id{++last_id_};
  const Status spawned = host_.spawn({.run = id,
                                      .run_id_text = std::move(run_id_text),
                                      .name = *plan.name,
                                      .job = plan.job,
                                      .environment = plan.environment,
                                      .working_directory = plan.working_directory,
                                      .epoch = plan.epoch,
                                      .fuse = plan.fuse,
                                      .arguments = plan.arguments,
                                      .timeout = plan.timeout,
                                      .attempt = plan.attempt,
                                      .limits = plan.limits,
                                      .settings = plan.settings,
                                      .warm = plan.warm});
  if (!spawned.ok()) return spawned.error();
  Run run;
  run.plan = plan;
  run.started_at = now;
  run.permit = std::move(permit);
  runs_.emplace(id, std::move(run));
  if (plan.of_lease) ++of_lease_count_;
  if (plan.timeout > Duration::zero()) timers_.add({now + plan.timeout, Timer::Kind::kRunTimeout, id.number});
  return id;
}

void Runs::cancel(RunId run, const std::string& why, Instant now) {
  const auto place = runs_.find(run);
  if (place != runs_.end()) cancel(place, why, WorkerEvent::kStopAsked, now);
}

void Runs::cancel_all(const std::string& why, Instant now) {
  for (auto place = runs_.begin(); place != runs_.end(); ++place) cancel(place, why, WorkerEvent::kStopAsked, now);
}

void Runs::cancel_of_lease(const std::string& why, Instant now) {
  for (auto place = runs_.begin(); place != runs_.end(); ++place) {
    if (place->second.plan.of_lease) cancel(place, why, WorkerEvent::kStopAsked, now);
  }
}

void Runs::kill_all(const std::string& why, Instant now) {
  for (auto place = runs_.begin(); place != runs_.end(); ++place) cancel(place, why, WorkerEvent::kKillAsked, now);
}

void Runs::kill_of_lease(const std::string& why, Instant now) {
  for (auto place = runs_.begin(); place != runs_.end(); ++place) {
    if (place->second.plan.of_lease) cancel(place, why, WorkerEvent::kKillAsked, now);
  }
}

void Runs::cancel(Table::iterator place, const std::string& why, WorkerEvent event, Instant now) {
  Run& run = place->second;
  if (run.worker.alive() && run.cancelled_because.empty()) run.cancelled_because = why;
  apply(place, event, now);
}

void Runs::on_exited(const Exited& exited, Instant now) {
  const auto place = runs_.find(exited.run);
  if (place == runs_.end() || place->second.status) return;
  place->second.status = exited.status;
  place->second.detail = exited.detail;
  place->second.limit = exited.limit;
  apply(place, WorkerEvent::kExited, now);
}

void Runs::on_reported(const RunReported& reported) {
  const auto place = runs_.find(reported.run);
  if (place != runs_.end() && !place->second.reported) place->second.reported = reported;
}

void Runs::on_refused(const SayingRefused& refused) {
  const auto place = runs_.find(refused.run);
  if (place != runs_.end() && place->second.refused.empty()) place->second.refused = refused.why;
}

void Runs::on_progress(const ProgressReported& progress) {
  const auto place = runs_.find(progress.run);
  if (place != runs_.end()) place->second.progress = progress;
}

std::string Runs::running_text(RunId run, Instant now) const {
  const Run& running = runs_.at(run);
  const std::string text = "running for " + approximate_duration(now - running.started_at);
  return running.progress ? text + ", " + progress_text(*running.progress) : text;
}

void Runs::on_channel_closed(RunId run, Instant now) {
  const auto place = runs_.find(run);
  if (place != runs_.end()) apply(place, WorkerEvent::kChannelClosed, now);
}

void Runs::on_timer(const Timer& timer, Instant now) {
  const auto place = runs_.find(RunId{timer.number});
  if (place == runs_.end()) return;
  Run& run = place->second;
  switch (timer.kind) {
    case Timer::Kind::kRunTimeout:
      if (run.worker.state() == WorkerState::kRunning) run.timed_out = true;
      apply(place, WorkerEvent::kStopAsked, now);
      break;
    case Timer::Kind::kRunGraceOver: apply(place, WorkerEvent::kGraceOver, now); break;
    case Timer::Kind::kRunDrainOver: apply(place, WorkerEvent::kDrainOver, now); break;
    default: assert(false);
  }
}

void Runs::apply(Table::iterator place, WorkerEvent event, Instant now) {
  act(place, place->second.worker.on(event), now);
}

void Runs::act(Table::iterator place, WorkerAction action, Instant now) {
  const RunId id = place->first;
  const RunPlan& plan = place->second.plan;
  const std::string& why = place->second.timed_out ? kTimeoutPassed : place->second.cancelled_because;
  const auto tell = [&](EventKind kind) {
    Event event;
    event.kind = kind;
    event.at = now;
    event.task = *plan.name;
    event.run = id;
    events_.push_back(std::move(event));
  };
  switch (action) {
    case WorkerAction::kNone: break;
    case WorkerAction::kTerminate:
      host_.stop(id, StopSignal::kTerminate, why);
      timers_.add({now + plan.stop_grace, Timer::Kind::kRunGraceOver, id.number});
      break;
    case WorkerAction::kKill:
      host_.stop(id, StopSignal::kKill, why);
      tell(EventKind::kStopEscalated);
      break;
    case WorkerAction::kStartDraining:
      timers_.add({now + drain_deadline_, Timer::Kind::kRunDrainOver, id.number});
      break;
    case WorkerAction::kGiveUpOutput:
      host_.close_channel(id);
      tell(EventKind::kOutputAbandoned);
      break;
    case WorkerAction::kFinish: finish(place, now); break;
  }
}

void Runs::finish(Table::iterator place, Instant now) {
  const Run& run = place->second;
  FinishedRun finished;
  finished.run = place->first;
  finished.owner = run.plan.owner;
  finished.owner_index = run.plan.owner_index;
  finished.duration = now - run.started_at;
  finished.epoch = run.plan.epoch;
  if (run.timed_out) {
    finished.outcome = Outcome::kTimedOut;
    finished.cause = "ran longer than its timeout of " + format_duration(run.plan.timeout);
  } else if (!run.cancelled_because.empty()) {
    finished.outcome = Outcome::kCancelled;
    finished.cause = run.cancelled_because;
  } else if (decided_by_report(*run.plan.job)) {
    settle_by_report(run, finished);
  } else {
    settle_by_exit(run, finished);
  }
  // Whatever the run died of itself, this is where to look first.
  const bool failed = finished.outcome == Outcome::kFailed || finished.outcome == Outcome::kTimedOut;
  if (failed && !run.limit.empty()) finished.cause = run.limit + ": " + finished.cause;
  if (run.plan.of_lease) --of_lease_count_;
  runs_.erase(place);
  finished_.push_back(std::move(finished));
}

void Runs::settle_by_report(const Run& run, FinishedRun& finished) {
  if (!run.reported) {
    finished.outcome = Outcome::kFailed;
    finished.cause = name_in_cause(*run.plan.job) + " ended without a result: " + describe(*run.status);
    if (!run.refused.empty()) finished.cause += "; what it wrote to its fd 3 was refused: " + run.refused;
    return;
  }
  finished.outcome = run.reported->outcome;
  finished.error = run.reported->error;
  if (finished.outcome != Outcome::kOk) finished.cause = run.reported->message;
}

void Runs::settle_by_exit(const Run& run, FinishedRun& finished) {
  if (run.status->signal == 0 && run.status->code == 0) {
    finished.outcome = Outcome::kOk;
    return;
  }
  const bool skipped = run.status->signal == 0 && run.status->code == kSkippedExitCode;
  finished.outcome = skipped ? Outcome::kSkipped : Outcome::kFailed;
  finished.cause = run.detail.empty() ? describe(*run.status) : run.detail;
  if (!run.reported || run.reported->outcome == Outcome::kOk) return;
  if (!run.reported->message.empty()) finished.cause = run.reported->message;
  finished.error = run.reported->error;
}

std::vector<FinishedRun> Runs::take_finished() {
  return std::exchange(finished_, {});
}

std::string Runs::names() const {
  constexpr std::size_t kShownMax = 10;
  std::string all;
  std::size_t shown = 0;
  for (const auto& [id, run] : runs_) {
    if (shown == kShownMax) return all + ", …";
    if (shown++ > 0) all += ", ";
    all += *run.plan.name + " (run " + std::to_string(id.number) + ")";
  }
  return all;
}

}  // namespace stargazer
