// The judge of one node. It believes what the fakes saw (spawns, signals, deaths, replies, the wish for a wake-up) and
// never what the supervisor says of itself, except where the supervisor's word is what is being judged.
//
// Two kinds of rules. A *prohibition* is checked when the act is seen: a start too early, beyond a limit, behind a
// closed gate or outside the lease, a signal after the exit. A *debt* is something that must have happened by an
// instant: a due start, a TERM at the timeout, a KILL at the end of the grace or at lease.hard_kill. After each step no
// debt may be overdue, and the supervisor must have asked to be woken at the earliest of those that are still to come.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/registry.h"
#include "core/seams.h"
#include "core/supervisor.h"
#include "sim/cluster_watch.h"
#include "sim/world.h"

namespace stargazer::sim {

class NodeChecker {
 public:
  // `config` and `registry` are the node's and must outlive the checker. `node` counts from 0.
  NodeChecker(World& world, ClusterWatch& cluster, std::size_t node, const Config& config, const Registry& registry);

  // "n1".
  const std::string& who() const { return who_; }

  // How long after the hard kill, by the node's own clock, a worker may still be dying.
  void set_kill_latency_max(Duration latency) { kill_latency_max_ = latency; }

  // A new supervisor begins; everything of the one before is forgotten but the processes that still live.
  void booted(Instant now);

  // ---- What the fakes see ----
  void spawn_asked(const SpawnRequest& request, bool succeeds, Instant now);
  void signalled(RunId run, StopSignal signal, Instant now);
  void output_given_up(RunId run, Instant now);
  void process_gone(const std::string& name, Instant now);
  void fuse_told(Instant fuse) { fuse_ = fuse; }
  void lease_requested(LeaseRequestId id, bool release, Instant now);
  void lease_released();

  // The daemon goes on after a SIGSTOP. What it owed meanwhile it does now; a stop deadline that has passed is past.
  void daemon_continued() { held_up_ = true; }

  // ---- A step ----
  // `input` was in the inbox when the step at `now` began. To be called for each, in order, before the step.
  void takes(const Input& input, Instant now);
  void stepped(const Supervisor& supervisor, const std::vector<Event>& events, Instant wish, Instant now);

  // ---- Progress ----
  void begin_calm();
  // Every open task whose turn must have come during a calm of `length` has been started in it.
  void check_progress(const Supervisor& supervisor, Duration length);

 private:
  // A task or a supervised worker.
  struct Subject {
    std::string name;
    const TaskConfig* task = nullptr;  // null: supervised
    bool scheduled = false;
    bool of_lease = false;
    Duration timeout{};
    Duration grace{};

    int alive = 0;             // processes, in true time
    std::optional<RunId> run;  // the one that has not finished
    Instant last_start{};
    Instant earliest{};         // of the next start
    Instant latest{};           // likewise, while nothing holds it back
    Duration backoff{};         // of a supervised worker
    std::uint32_t attempt = 1;  // the number that the next start of a task must have
    std::uint64_t calm_starts = 0;
  };
  struct RunWatch {
    std::size_t subject = 0;
    Instant started{};
    std::uint32_t attempt = 1;
    bool spawned = false;
    bool told_start = false;
    std::optional<Instant> term_at;
    std::optional<Instant> kill_at;
    std::optional<ExitStatus> status;  // once Exited was taken
    std::optional<Outcome> reported;   // the first one that the worker said
    Instant exit_at{};
    bool closed = false;
    bool given_up = false;
    bool finished = false;
    bool burnt = false;  // failed when its fuse was over: the lease was lost, and not the worker at fault

    bool signalled() const { return term_at || kill_at; }
  };

  void violated(std::string_view invariant, const std::string& name);
  void note_exit(const Exited& exited, Instant now);
  void note_closed(RunId run, Instant now);
  void note_reply(const LeaseReply& reply, Instant now);
  void note_stop(Instant now);
  void finish_if_complete(RunWatch& run, Instant now);
  void plan_next(Subject& subject, const RunWatch& run, Instant now);
  static void plan_task(Subject& subject, bool failed, Instant now);
  void plan_restart(Subject& subject, bool crashed, Duration lasted, Instant now);

  void check_fuse(const Subject& subject, const SpawnRequest& request);
  void check_start(const Subject& subject, Instant now);
  void check_limits(const Subject& subject);
  bool dependencies_reachable(const Subject& subject) const;
  bool has_room(const std::string& pool) const;

  void check_event(const Event& event);
  void check_outcome(const RunWatch& run, const Event& event);
  void check_task_end(Subject& subject, const RunWatch& run, const Event& event);
  static bool has_failed(const Subject& subject, const RunWatch& run);
  static Outcome expected_outcome(const Subject& subject, const RunWatch& run);
  void check_stopped(const Supervisor& supervisor);
  void check_status(const Supervisor& supervisor);
  bool has_runs_of_lease() const;
  void check_livelock(Instant now);
  void note_leadership(bool leader, Instant now);

  void owe(Instant deadline, std::string_view what, const std::string& name, Instant now);
  void owe_start(const Subject& subject, bool leader, Instant now);
  void owe_run(const RunWatch& run, bool leader, Instant now);
  void owe_stop(const RunWatch& run, const Subject& subject, bool leader, Instant now);

  World& world_;
  ClusterWatch& cluster_;
  const std::size_t node_;
  const std::string who_;
  const Config& config_;
  const LeaseTimes times_;
  std::vector<Subject> subjects_;
  std::map<std::string, std::size_t> by_name_;

  std::map<RunId, RunWatch> runs_;
  std::map<std::string, std::uint32_t> pool_used_;
  std::uint32_t used_ = 0;  // places of scheduler.max_concurrent_runs
  std::array<bool, kDependencyCount> reachable_{};
  std::map<LeaseRequestId, Instant> requested_;
  Instant granted_{};  // when the last request that was granted in time was sent
  bool ever_granted_ = false;
  Instant fuse_ = kNever;  // as the host was told last
  Duration kill_latency_max_{};
  bool was_leader_ = false;
  bool release_asked_ = false;
  std::optional<Instant> stop_at_;
  bool hurried_ = false;
  bool overdue_ = false;
  bool held_up_ = false;
  bool stopped_ = false;

  // Of the step that is being checked.
  Instant earliest_debt_ = kNever;
  std::string earliest_debt_of_;
  std::uint64_t steps_ = 0;
  bool took_input_ = false;
  Instant last_step_{};
  int idle_steps_ = 0;
};

}  // namespace stargazer::sim
