// The jobs in C++, by name.
#pragma once

#include <array>

#include "jobs/job.h"

namespace stargazer::jobs {

struct NamedJob {
  const char* name;
  const char* description;
  JobFunction run;
};

extern const std::array<NamedJob, 4> kJobs;

}  // namespace stargazer::jobs
