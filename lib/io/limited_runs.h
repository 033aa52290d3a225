// The runs that have limits (core/limits.h), from before their start until nothing of them is left.
//
// Where cgroup2 is delegated to the daemon each has a control group of its own, made before and entered before the
// program is executed, so that nothing of it can be outside: memory.max with memory.oom.group, so that a run dies as a
// whole and not in part, pids.max, cpu.weight. At its end the group says which limit was reached, is killed and
// removed.
//
// A limit whose controller is missing is watched instead: ten times a second the run's processes are counted, and one
// that has too many or too much is killed. Meanwhile each of its processes is kept below twice its memory_max by
// RLIMIT_DATA, so that one that allocates faster than we look fails by itself. RLIMIT_NPROC is not used: it counts all
// processes of a user, so that a job would fail by what others do, and does not bind root. cpu_weight has no
// substitute.
//
// stargazer-keeper's form `limited` enters the group and sets the rest in the process that becomes the worker.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <sys/resource.h>
#include <vector>

#include <uv.h>

#include "core/seams.h"
#include "io/keeper.h"
#include "io/limit_setup.h"
#include "io/run_cgroup.h"

namespace stargazer {

class LimitedRuns {
 public:
  static constexpr std::uint64_t kLookEveryMs = 100;

  // `kill` ends a run at once, with everything that it has started.
  LimitedRuns(uv_loop_t* loop, LimitSetup setup, std::function<void(RunId)> kill);

  // As spawn_process, or KeptWorkers::spawn for a request with a fuse, within request.limits. Waits until the program
  // has been executed or not, for at most five seconds. Fails also when there is no stargazer-keeper or a limit that
  // the kernel would enforce cannot be set. REQUIRES: request.limits is set.
  Result<SpawnedProcess> spawn(const SpawnRequest& request, const std::vector<std::string>& argv,
                               const std::vector<std::string>& environment, const std::string& working_directory,
                               KeptWorkers& kept);

  // Kills what is in the run's control group. Nothing for a run without.
  void kill_group(RunId run) const;

  // Which limits a run that goes on has reached so far, as the kernel has counted it; "" for none.
  std::string reached(RunId run) const;

  // Its first process has exited, having used what `usage` says. Kills what is left in its control group. Answers which
  // limits it has reached, "killed by memory_max of 512M"; "" for none, and for a run without limits. One that got
  // above its memory_max and ended between two looks is seen only if it also used more than the daemon ever did.
  std::string ended(RunId run, const rusage& usage);

  // Removes the control groups that have become empty. Those that have not are looked at again at the next call.
  void tidy();

  // The last call. The loop must run once more before the object is destroyed.
  void close();

 private:
  struct Limited {
    Limits limits;
    std::string run_id_text;
    pid_t leader = 0;
    std::string group;      // the path of its control group; "" = it has none
    std::string killed_by;  // by us, after a look
  };

  Status make_group(Limited& limited, RunId run) const;
  std::vector<std::string> words_of(const Limited& limited, bool enters_group) const;
  bool is_watched(const Limits& limits) const;
  void look();
  void look_at(RunId run, Limited& limited);
  void drop(RunId run);

  LimitSetup setup_;
  std::function<void(RunId)> kill_;
  std::map<RunId, Limited> runs_;
  std::vector<std::string> untidy_;  // paths of control groups whose run has ended
  uv_timer_t timer_{};
};

}  // namespace stargazer
