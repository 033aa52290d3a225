// Which program a run is, and what its environment is: what the worker host starts.
#pragma once

#include <string>
#include <vector>

#include "core/result.h"
#include "io/uv_worker_host.h"

namespace stargazer {

struct WorkerProgram {
  std::vector<std::string> argv;
  std::string directory;  // where it starts; "" = the daemon's own
};

// Fails when jobs of that kind cannot be run, or a file of the job's is missing. REQUIRES: it is no native job.
Result<WorkerProgram> program_of(const SpawnRequest& request, const UvWorkerHost::Options& options);

// All of its variables, as worker_environment makes them.
std::vector<std::string> environment_of(const SpawnRequest& request, const std::string& node_id);

}  // namespace stargazer
