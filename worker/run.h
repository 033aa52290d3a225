// The runs of a plugin's jobs in one process, each from `run` on fd 3 to its result: one, or, where the daemon keeps
// it, one after the other.
#pragma once

#include <string>

#include "worker/channel.h"
#include "worker/stop.h"

namespace stargazer::worker {

// Waits for `run`, loads the library (a path or a name, see io/plugin_files.h), calls the job and sends the result.
// Whatever keeps the job from being called is sent as the failure of the run, too. Answers the exit code: 0 ok, 77
// skipped, 1 failed, 2 when the daemon is gone before it has said what to run.
//
// After that the process must end without running destructors: threads of the job may go on using everything here.
// REQUIRES: called once; both live until the process ends.
int run_job(const std::string& library, const std::string& job, Channel& channel, Stop& stop);

}  // namespace stargazer::worker
