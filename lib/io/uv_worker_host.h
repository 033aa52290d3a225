// Real worker processes on the event loop: the WorkerHost of the daemon.
//
// Each worker is started by argv, without a shell, in a process group of its own, with stdin from /dev/null, stdout and
// stderr as pipes and one end of a socketpair as fd 3. It is watched through a pidfd, not through libuv's process
// handle, for one reason: when the leader of the group exits we can kill what is left of the group while its zombie
// still keeps the number from being used again, and only then reap it. See docs/decisions/0002-own-spawn.md.
//
// On fd 3 each worker is told `run` when it starts and `stop` beside TERM (io/worker_rpc.h). It need not read them.
//
// A worker with a fuse is the child of a stargazer-keeper, which leads the group, is what is watched, and ends as the
// worker did once nothing of it is left. A worker with limits is started within them: io/limited_runs.h.
//
// A worker with `warm` may be kept and given one run after the other: io/warm_workers.h. One that ends before it has
// begun with such a run costs nothing: the run is started again in a process of its own.
//
// The daemon is the subreaper of its descendants: a grandchild that left its group and lost its parent becomes a child
// of the daemon. When its run has ended it is found by STARGAZER_RUN_ID in its environment, killed and reaped.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <uv.h>

#include "core/seams.h"
#include "io/keeper.h"
#include "io/limit_setup.h"
#include "io/warm_workers.h"
#include "io/worker_output.h"

namespace stargazer {

struct WarmCounts {
  std::size_t idle = 0;     // processes that are kept and have no run
  std::size_t leaving = 0;  // those that are kept no longer and have not gone yet
  WarmTally tally;
};

class UvWorkerHost final : public WorkerHost {
 public:
  struct Options {
    std::size_t line_bytes_max = 16384;
    std::string node_id;  // STARGAZER_NODE_ID
    KeeperSetup keeper = {.path = "", .obstacle = "no keeper was looked for", .mode = "", .weakness = ""};
    // Runs a Python job; the function to call is in the `run` that it reads. Empty = such jobs cannot be run.
    std::vector<std::string> python_argv;
    std::string python_directory;  // where it runs unless the job says another
    LimitSetup limits = {};
    // The command that runs a plugin's job. Fails when a file of it is missing. Empty = such jobs cannot be run.
    std::function<Result<std::vector<std::string>>(const PluginJob&)> plugin_argv = {};
    std::uint32_t warm_idle_max = 0;  // processes that are kept and have no run; 0 = none is kept
  };
  struct Callbacks {
    std::function<void(Input)> post;
    std::function<void(const OutputLine&)> output;
    // The parameters of `run`, JSON, for a run that is being started. `warm` is null where nothing is kept.
    std::function<std::string(const SpawnRequest&)> run_params;
    // A line that a worker wrote to its fd 3; `cut` when it was longer than kRpcLineBytesMax (io/worker_rpc.h).
    // `request_id` is that of the `run` that it was told last.
    std::function<void(RunId run, std::uint32_t request_id, std::string_view line, bool cut)> request;
    // True while lines should stay in the worker's pipe for now; asked before each read.
    std::function<bool()> output_congested;
    // Starts a native job; its end is announced by native_ended. Fails when there is no such job.
    std::function<Status(RunId run, const std::string& name)> start_native;
    std::function<void(RunId run)> stop_native;
    // That many processes had left their group and outlived their run; they have been killed.
    std::function<void(std::size_t count)> orphans_killed;
    // A kept process is ended, or has ended.
    std::function<void(const WarmEnded&)> warm_ended;
  };

  // Makes this process a subreaper and begins to watch SIGCHLD on the loop. REQUIRES: SIGPIPE is ignored.
  UvWorkerHost(uv_loop_t* loop, Options options, Callbacks callbacks);
  ~UvWorkerHost() override;

  Status spawn(const SpawnRequest& request) override;
  void stop(RunId run, StopSignal signal, const std::string& why) override;
  void close_channel(RunId run) override;
  void extend_fuse(Instant fuse) override;

  // Writes a line to a worker's fd 3; nothing when the worker is gone. One that does not read what it is sent loses it,
  // and its fd 3 is closed for reading.
  void answer(RunId run, const std::string& line);

  // The worker of a run has given its result, which is not a failure, and could have another run. Called from within
  // `request`; what else is in that line's piece is read first.
  void offered(RunId run, KeepOffer offer);

  // Ends the processes that are kept and have no run: all of them, or those of the lease. After the first none is kept
  // any more. Returns at once.
  void end_warm();
  void end_warm_of_lease();
  WarmCounts warm_counts() const;

  // A native job has ended. Thread of the loop only.
  void native_ended(RunId run, const Status& status);

  // Kills and reaps every descendant that is left and closes every handle. REQUIRES: no worker is running. The loop
  // must run once more before the object is destroyed.
  void close();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stargazer
