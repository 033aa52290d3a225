// The periodic tasks of this node: when each is due, and which of those that are due may start (SPEC
// sections 2.2, 2.3).
//
// A due task is in exactly one of two places: with a closed gate it is *held*, with an open one it is *ready*, in the
// queue of its pool, ordered by due time. Starting takes the longest-due task among the pools that have room, so a full
// pool never blocks another, and a step costs what is due, not what exists.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/gate.h"
#include "core/loop.h"
#include "core/pool.h"
#include "core/random.h"
#include "core/registry.h"
#include "core/timers.h"

namespace stargazer {

class TaskTable {
 public:
  // `tasks`, `gates` and `pools` must outlive the table.
  TaskTable(const std::vector<PlannedTask>& tasks, const Gates& gates, const Pools& pools, Timers& timers);

  // Begins the first wait of every scheduled task: initial_delay and jitter, and for a task with persist = true at
  // least until its interval has passed since its remembered end. Tasks whose remembered end lies in the future are
  // returned.
  std::vector<std::uint32_t> start(const std::map<std::string, WallTime>& last_ends, Instant now, WallTime wall_now,
                                   Random& random);

  // The cluster last ran these tasks then: those with run_on = "leader" wait at least until their interval has passed
  // since, and begin with their first attempt if they have to. An end in the future says nothing.
  void learn(const std::map<std::string, WallTime>& last_ends, Instant now, WallTime wall_now);
  // A kTaskDue timer has come; a stale one is ignored.
  void on_due(std::uint32_t index, Instant now);
  // A gate may have opened: moves held tasks that may run now to ready.
  void recheck_held();
  // Takes the next task that may start now, if any; moves those whose gate has closed to held.
  std::optional<std::uint32_t> take_startable();
  // REQUIRES: taken from take_startable, not started yet.
  void run_started(std::uint32_t index, RunId run);
  // The run has ended, or could not be started. Begins the next wait: after a failure with attempts left that for the
  // next attempt, how long is answered; else that for the interval, and the attempts count from 1 again.
  // `cause` of a skipped run is remembered until the next run ends.
  std::optional<Duration> run_ended(std::uint32_t index, Outcome outcome, const std::string& cause, Instant now,
                                    Random& random);
  // Nothing starts any more.
  void stop();

  // Tasks that became due and were not started since the last call, in order: once for each hold.
  std::vector<std::uint32_t> take_newly_held();

  const PlannedTask& plan(std::uint32_t index) const { return tasks_[index]; }
  bool running(std::uint32_t index) const { return entries_[index].loop.state() == Loop::State::kRunning; }
  RunId run(std::uint32_t index) const { return entries_[index].loop.run(); }
  // The number of the run that runs, or of the next one, since the interval was over: 1, 2, …
  std::uint32_t attempt(std::uint32_t index) const { return entries_[index].attempt; }
  std::uint64_t run_count(std::uint32_t index) const { return entries_[index].run_count; }
  std::uint64_t failure_count(std::uint32_t index) const { return entries_[index].failure_count; }
  // Whether the task waits for this very instant.
  bool waits_for(std::uint32_t index, Instant due) const {
    const Loop& loop = entries_[index].loop;
    return loop.state() == Loop::State::kWaiting && loop.due() == due;
  }
  PoolIndex pool(std::uint32_t index) const { return entries_[index].pool; }
  std::size_t size() const { return entries_.size(); }

  // What keeps a task that is due from starting: a closed gate or a full pool; "" when nothing does. REQUIRES: due.
  std::string hold_reason(std::uint32_t index, Instant now) const;
  // Why a task that is not running is not. REQUIRES: !running(index).
  std::string why(std::uint32_t index, Instant now) const;

 private:
  struct Entry {
    Loop loop;
    PoolIndex pool = kNoPool;
    std::uint32_t attempt = 1;
    std::uint64_t run_count = 0;
    std::uint64_t failure_count = 0;
  };
  using ReadyQueue = std::set<std::pair<Instant, std::uint32_t>>;

  void wait(std::uint32_t index, Instant due);
  void postpone(std::uint32_t index, Instant due);
  void place_due(std::uint32_t index);
  ReadyQueue* longest_due();
  std::string wait_text(std::uint32_t index, Duration left) const;
  std::string skip_text(std::uint32_t index) const;

  const std::vector<PlannedTask>& tasks_;
  const Gates& gates_;
  const Pools& pools_;
  Timers& timers_;
  std::vector<Entry> entries_;
  std::vector<ReadyQueue> ready_;  // by PoolIndex
  std::set<std::uint32_t> held_;
  std::vector<std::uint32_t> newly_due_;        // since take_newly_held
  std::map<std::uint32_t, std::string> skips_;  // few of many tasks have one
  bool stopped_ = false;
};

}  // namespace stargazer
