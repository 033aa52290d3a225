// Removes nodes of the knowledge graph that nothing refers to any more: orphans (SPEC section 2.4, FACTS section 6).
//
// What an orphan is, is a query of the operator's; without one it is a node without relationships. Since nobody knows
// how long a node has been one, the job notes it: an orphan is marked with the time at which it was first seen to be
// one, and removed by a run that sees it still an orphan after the grace period. A node that is no orphan any more
// loses its mark. Each change is one query that looks at its conditions again, so nothing is removed because of what
// was true earlier, and a run that was interrupted is simply run again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "jobs/job.h"
#include "jobs/json_text.h"

namespace stargazer::jobs {

// [tasks.limbic_maintenance.settings], with its defaults. docs/jobs.md describes each.
struct MaintenanceSettings {
  std::string graph = "knowledge";
  // Returns the ids of orphans among the nodes with $from <= id(n) < $to, one a row.
  std::string orphans = "MATCH (n) WHERE id(n) >= $from AND id(n) < $to AND NOT (n)--() RETURN id(n)";
  bool detached_only = true;  // removes only what has no relationship, whatever the query says
  std::string category_property = "category";
  std::vector<std::string> protected_categories{"core"};
  bool protect_uncategorised = true;
  Duration grace{};
  std::string mark_property = "orphan_since";
  std::int64_t batch = 1000;         // nodes that one query looks at
  std::int64_t delete_max = 10'000;  // of one run
  bool dry_run = false;
};

// Fails with everything that is wrong in the settings of a run.
Result<MaintenanceSettings> read_maintenance_settings(const Json& params);

JobOutcome limbic_maintenance(std::string_view params, JobHost& host);

}  // namespace stargazer::jobs
