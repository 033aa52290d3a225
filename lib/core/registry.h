// Which tasks and supervised workers exist, which of them are scheduled, and for those that are not: why not.
//
// SPEC sections 2.1, 2.2 and 2.4. This is decided once from the configuration; what changes while the daemon runs (a
// dependency that goes away, the lease, a full pool) is the business of core/gate.h.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/config.h"

namespace stargazer {

// Says why this build or host cannot run a job, or "" when it can. Asked once for each job.
using JobObstacle = std::function<std::string(const Job&)>;

struct PlannedTask {
  TaskConfig config;  // with the interval in force (starwiki_lint's follows a flag, SPEC section 2.4)
  bool scheduled = false;
  bool needs_chat_llm_but_off = false;
  std::string reason;  // why it is not scheduled; "" when it is
};

struct PlannedWorker {
  SupervisedConfig config;
  bool scheduled = false;
  std::string reason;
};

struct Registry {
  std::vector<PlannedTask> tasks;
  std::vector<PlannedWorker> supervised;

  // Of the periodic ones.
  std::size_t scheduled_task_count() const;
};

// Applies the gates of SPEC section 2.2 that the configuration decides, then asks `obstacle`. A task that several
// things keep from running names them all.
Registry build_registry(const Config& config, const JobObstacle& obstacle);

// "scheduled 3 of 16 tasks: a, b, c": the one line at start (SPEC section 2.2).
std::string scheduled_line(const Registry& registry);

// The one line that names all the tasks which a disabled chat LLM turns off; "" when it turns none off.
std::string chat_llm_line(const Registry& registry);

}  // namespace stargazer
