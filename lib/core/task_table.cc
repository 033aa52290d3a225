#include "core/task_table.h"

#include <algorithm>
#include <cassert>

namespace stargazer {
namespace {

// When the interval since a remembered end is over; long ago for an end in the future, which says nothing.
Instant interval_over(Duration interval, WallTime end, Instant now, WallTime wall_now) {
  // Compared before they are subtracted: a damaged memory may hold any instant.
  const WallTime still_counts = wall_now - std::chrono::ceil<std::chrono::microseconds>(interval);
  if (end > wall_now || end <= still_counts) return {};
  return now + interval - (wall_now - end);
}

// Skipped and cancelled runs have not failed: nothing says that another attempt would do better.
bool is_failure(Outcome outcome) {
  return outcome == Outcome::kFailed || outcome == Outcome::kTimedOut || outcome == Outcome::kSpawnFailed;
}

}  // namespace

TaskTable::TaskTable(const std::vector<PlannedTask>& tasks, const Gates& gates, const Pools& pools, Timers& timers)
    : tasks_(tasks), gates_(gates), pools_(pools), timers_(timers), entries_(tasks.size()), ready_(pools.size()) {
  for (std::size_t index = 0; index < tasks.size(); ++index) {
    if (tasks[index].scheduled) entries_[index].pool = pools.index_of(tasks[index].config.pool);
  }
}

std::vector<std::uint32_t> TaskTable::start(const std::map<std::string, WallTime>& last_ends, Instant now,
                                            WallTime wall_now, Random& random) {
  std::vector<std::uint32_t> from_the_future;
  for (std::uint32_t index = 0; index < entries_.size(); ++index) {
    if (!tasks_[index].scheduled) continue;
    const TaskConfig& task = tasks_[index].config;
    Instant due = now + task.initial_delay + random.up_to(task.jitter);
    const auto remembered = task.persist ? last_ends.find(task.name) : last_ends.end();
    if (remembered != last_ends.end()) {
      if (remembered->second > wall_now) from_the_future.push_back(index);
      due = std::max(due, interval_over(task.interval, remembered->second, now, wall_now));
    }
    wait(index, due);
  }
  return from_the_future;
}

void TaskTable::learn(const std::map<std::string, WallTime>& last_ends, Instant now, WallTime wall_now) {
  for (std::uint32_t index = 0; index < entries_.size(); ++index) {
    const TaskConfig& task = tasks_[index].config;
    const Loop& loop = entries_[index].loop;
    if (task.run_on != RunOn::kLeader || loop.state() == Loop::State::kIdle || running(index)) continue;
    const auto known = last_ends.find(task.name);
    if (known == last_ends.end()) continue;
    const Instant due = interval_over(task.interval, known->second, now, wall_now);
    if (due > loop.due()) postpone(index, due);
  }
}

void TaskTable::postpone(std::uint32_t index, Instant due) {
  Entry& entry = entries_[index];
  held_.erase(index);
  ready_[entry.pool].erase({entry.loop.due(), index});
  entry.loop.postpone(due);
  entry.attempt = 1;
  timers_.add({due, Timer::Kind::kTaskDue, index});
}

void TaskTable::wait(std::uint32_t index, Instant due) {
  entries_[index].loop.wait_until(due);
  timers_.add({due, Timer::Kind::kTaskDue, index});
}

void TaskTable::on_due(std::uint32_t index, Instant now) {
  Loop& loop = entries_[index].loop;
  if (loop.state() != Loop::State::kWaiting || loop.due() > now) return;
  loop.become_due();
  place_due(index);
  newly_due_.push_back(index);
}

void TaskTable::place_due(std::uint32_t index) {
  const Entry& entry = entries_[index];
  if (gates_.open(tasks_[index].config)) {
    ready_[entry.pool].emplace(entry.loop.due(), index);
  } else {
    held_.insert(index);
  }
}

void TaskTable::recheck_held() {
  for (auto place = held_.begin(); place != held_.end();) {
    const std::uint32_t index = *place;
    if (!gates_.open(tasks_[index].config)) {
      ++place;
      continue;
    }
    ready_[entries_[index].pool].emplace(entries_[index].loop.due(), index);
    place = held_.erase(place);
  }
}

TaskTable::ReadyQueue* TaskTable::longest_due() {
  ReadyQueue* first = nullptr;
  for (PoolIndex pool = 0; pool < ready_.size(); ++pool) {
    if (ready_[pool].empty() || !pools_.has_room(pool)) continue;
    if (first == nullptr || *ready_[pool].begin() < *first->begin()) first = &ready_[pool];
  }
  return first;
}

std::optional<std::uint32_t> TaskTable::take_startable() {
  while (ReadyQueue* queue = longest_due()) {
    const std::uint32_t index = queue->begin()->second;
    queue->erase(queue->begin());
    if (gates_.open(tasks_[index].config)) return index;
    held_.insert(index);
  }
  return std::nullopt;
}

void TaskTable::run_started(std::uint32_t index, RunId run) {
  entries_[index].loop.run_started(run);
  ++entries_[index].run_count;
}

std::optional<Duration> TaskTable::run_ended(std::uint32_t index, Outcome outcome, const std::string& cause,
                                             Instant now, Random& random) {
  Entry& entry = entries_[index];
  entry.loop.run_ended();
  if (is_failure(outcome)) ++entry.failure_count;
  skips_.erase(index);
  if (outcome == Outcome::kSkipped) skips_[index] = cause;
  const TaskConfig& task = tasks_[index].config;
  const bool again = is_failure(outcome) && entry.attempt <= task.retries && !stopped_;
  const Duration pause = again ? retry_pause(task, entry.attempt) : task.interval;
  entry.attempt = again ? entry.attempt + 1 : 1;
  if (stopped_ || (task.once && !again)) return std::nullopt;
  const Duration wait_for = pause + random.up_to(task.jitter);
  wait(index, now + wait_for);
  return again ? std::optional(wait_for) : std::nullopt;
}

void TaskTable::stop() {
  stopped_ = true;
  for (Entry& entry : entries_) entry.loop.stop();
  for (ReadyQueue& queue : ready_) queue.clear();
  held_.clear();
  newly_due_.clear();
}

std::vector<std::uint32_t> TaskTable::take_newly_held() {
  std::vector<std::uint32_t> held;
  for (const std::uint32_t index : newly_due_) {
    if (entries_[index].loop.state() == Loop::State::kDue) held.push_back(index);
  }
  newly_due_.clear();
  return held;
}

std::string TaskTable::why(std::uint32_t index, Instant now) const {
  const Loop& loop = entries_[index].loop;
  switch (loop.state()) {
    case Loop::State::kIdle:
      if (!tasks_[index].scheduled) return tasks_[index].reason;
      if (!tasks_[index].config.once || entries_[index].run_count == 0) return "the scheduler is not running";
      return "has run, once" + skip_text(index);
    case Loop::State::kWaiting:
      if (loop.due() > now) return "waits, " + wait_text(index, loop.due() - now);
      return "due now";
    case Loop::State::kDue: break;
    case Loop::State::kRunning: assert(false);
  }
  const std::string held = hold_reason(index, now);
  return held.empty() ? "due now" : "due for " + approximate_duration(now - loop.due()) + ", but " + held;
}

std::string TaskTable::wait_text(std::uint32_t index, Duration left) const {
  const std::string in = " in " + approximate_duration(left) + skip_text(index);
  const std::uint32_t attempt = entries_[index].attempt;
  if (attempt == 1) return "next run" + in;
  return "attempt " + std::to_string(attempt) + " of " + std::to_string(tasks_[index].config.retries + 1) + in;
}

std::string TaskTable::skip_text(std::uint32_t index) const {
  const auto skip = skips_.find(index);
  return skip == skips_.end() ? "" : "; the last run was skipped: " + skip->second;
}

std::string TaskTable::hold_reason(std::uint32_t index, Instant now) const {
  if (!gates_.open(tasks_[index].config)) return gates_.closed_reason(tasks_[index].config, now);
  const PoolIndex pool = entries_[index].pool;
  return pools_.has_room(pool) ? "" : pools_.full_reason(pool);
}

}  // namespace stargazer
