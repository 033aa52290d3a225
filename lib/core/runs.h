// The worker processes of this node, each from its start until nothing of it is left (the table in core/worker.h): here
// the table meets the clock and the WorkerHost.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/event.h"
#include "core/pool.h"
#include "core/seams.h"
#include "core/timers.h"
#include "core/worker.h"

namespace stargazer {

enum class RunOwner : std::uint8_t { kTask, kSupervised };

// What to start and under which limits. The pointers live as long as the supervisor.
struct RunPlan {
  RunOwner owner{};
  std::uint32_t owner_index = 0;  // into the registry's tasks or supervised workers
  const std::string* name = nullptr;
  const Job* job = nullptr;
  const Environment* environment = nullptr;
  const Settings* settings = nullptr;
  const std::string* working_directory = nullptr;
  const Limits* limits = nullptr;
  const WarmRules* warm = nullptr;  // null = none
  DependencySet arguments;
  Duration timeout{};  // 0 = none
  Duration stop_grace{};
  std::uint32_t attempt = 1;
  bool of_lease = false;    // to be stopped when the lease is lost
  std::uint64_t epoch = 0;  // of the lease, and
  Instant fuse = kNever;    // when it must be dead without a renewal: both only if of_lease
};

// What is configured for a run; the attempt and what comes from the lease are still to be set.
RunPlan task_plan(const TaskConfig& task, std::uint32_t index);
// `grace_max`: what the lease leaves for the worker to end in.
RunPlan worker_plan(const SupervisedConfig& worker, std::uint32_t index, Duration grace_max);

struct FinishedRun {
  RunId run;
  RunOwner owner{};
  std::uint32_t owner_index = 0;
  Outcome outcome{};
  Duration duration{};
  std::string cause;        // "" for kOk
  std::string error{};      // RunReported::error
  std::uint64_t epoch = 0;  // RunPlan::epoch
};

class Runs {
 public:
  // Exit code with which a worker says that there was nothing to do.
  static constexpr int kSkippedExitCode = 77;

  Runs(WorkerHost& host, Timers& timers, Duration drain_deadline, std::vector<Event>& events)
      : host_(host), timers_(timers), drain_deadline_(drain_deadline), events_(events) {}

  // Starts a worker, whose permit it keeps until the run is finished. Fails when the host could not start it.
  Result<RunId> start(const RunPlan& plan, std::optional<Permit> permit, std::string run_id_text, Instant now);
  RunId next_id() const { return {last_id_ + 1}; }

  // TERM now, KILL after the grace. `why` becomes the cause of kCancelled.
  void cancel(RunId run, const std::string& why, Instant now);
  void cancel_all(const std::string& why, Instant now);
  void cancel_of_lease(const std::string& why, Instant now);
  // KILL now.
  void kill_all(const std::string& why, Instant now);
  void kill_of_lease(const std::string& why, Instant now);

  void on_exited(const Exited& exited, Instant now);
  // What a Python job or a plugin reports decides its outcome; a command's exit code does, and its report only tells
  // the cause.
  void on_reported(const RunReported& reported);
  // Is told as a part of the cause when a run that its report decides has none.
  void on_refused(const SayingRefused& refused);
  void on_progress(const ProgressReported& progress);
  void on_channel_closed(RunId run, Instant now);
  // One of the kRun… timers has come; a stale one is ignored.
  void on_timer(const Timer& timer, Instant now);

  // Moves the fuse of every worker of the lease, also of those that are kept and have no run.
  void extend_fuse(Instant fuse) { host_.extend_fuse(fuse); }

  // Those that have ended since the last call, in order.
  std::vector<FinishedRun> take_finished();

  bool contains(RunId run) const { return runs_.contains(run); }
  std::size_t size() const { return runs_.size(); }
  std::size_t of_lease_count() const { return of_lease_count_; }
  // REQUIRES: `run` is not finished.
  Instant started_at(RunId run) const { return runs_.at(run).started_at; }
  // "running for 3.2 s, 40 of 100: reading", as far as it said. REQUIRES: `run` is not finished.
  std::string running_text(RunId run, Instant now) const;
  // The term in whose name it runs; 0 when in none, or when it is finished.
  std::uint64_t epoch_of(RunId run) const {
    const auto place = runs_.find(run);
    return place == runs_.end() ? 0 : place->second.plan.epoch;
  }
  // "kg_decay_task (run 7), …": what is left, for a message.
  std::string names() const;

 private:
  struct Run {
    RunPlan plan;
    Worker worker;
    Instant started_at;
    std::optional<Permit> permit;
    std::optional<ExitStatus> status;
    std::string detail;  // of the exit
    std::string limit;   // likewise
    std::optional<RunReported> reported;
    std::string refused;  // why something that it said was
    std::optional<ProgressReported> progress;
    bool timed_out = false;
    std::string cancelled_because;  // "" = not cancelled
  };
  using Table = std::map<RunId, Run>;

  void apply(Table::iterator place, WorkerEvent event, Instant now);
  void act(Table::iterator place, WorkerAction action, Instant now);
  void cancel(Table::iterator place, const std::string& why, WorkerEvent event, Instant now);
  void finish(Table::iterator place, Instant now);
  static void settle_by_report(const Run& run, FinishedRun& finished);
  static void settle_by_exit(const Run& run, FinishedRun& finished);

  WorkerHost& host_;
  Timers& timers_;
  Duration drain_deadline_;
  std::vector<Event>& events_;
  Table runs_;
  std::vector<FinishedRun> finished_;
  std::size_t of_lease_count_ = 0;
  std::uint64_t last_id_ = 0;
};

}  // namespace stargazer
