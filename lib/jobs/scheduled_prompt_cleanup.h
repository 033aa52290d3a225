// Deletes the records of scheduled prompts that were carried out or cancelled some days ago (FACTS section 2).
//
// A record is a key with a prefix, a JSON object or a hash; which fields say what is a matter of settings. One that
// cannot be understood, has no time or another status is left. A record that changes while the job looks at it is left
// for the next run: it is watched from before the decision until the deletion.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "jobs/job.h"
#include "jobs/json_text.h"

namespace stargazer::jobs {

// [tasks.scheduled_prompt_cleanup.settings], with its defaults. docs/jobs.md describes each.
struct CleanupSettings {
  std::string prefix = "scheduled_prompt:";
  std::string status_field = "status";
  std::vector<std::string> statuses{"executed", "cancelled"};
  // The latest of these that a record has says how old it is.
  std::vector<std::string> time_fields{"last_execution", "schedule_time", "created_at"};
  Duration keep{};
  std::vector<std::string> indexes;  // sets and sorted sets that name the records
  std::int64_t batch = 100;          // records that are deleted in one transaction
  bool dry_run = false;
};

// Fails with everything that is wrong in the settings of a run.
Result<CleanupSettings> read_cleanup_settings(const Json& params);

JobOutcome scheduled_prompt_cleanup(std::string_view params, JobHost& host);

}  // namespace stargazer::jobs
