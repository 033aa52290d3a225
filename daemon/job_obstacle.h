// Which jobs this build can run on this machine, and which of them become processes of their own.
#pragma once

#include <string>

#include "core/config.h"

namespace stargazer {

// Why a job cannot be run under this configuration (the registry's JobObstacle); "" when it can, as far as can be seen
// without running it.
std::string job_obstacle(const Config& config, const Job& job);

// Whether the configuration has workers of the lease that are processes, and so need a keeper.
bool has_workers_of_the_lease(const Config& config);

}  // namespace stargazer
