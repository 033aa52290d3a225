// Weakens the relationships of the knowledge graph and removes those that have become too weak (FACTS section 5):
// `core` keeps its weight, `guild` loses at half the rate, all others in full.
//
// A pass goes over all relationships once. Each that it weakens it also stamps with the number of the pass, in the same
// query, and one that is removed is removed instead of weakened; so a query that took effect without our hearing of it
// changes nothing twice, and neither does a pass that was interrupted and begun again: the number of the pass lies in
// Redis beside the graph, and the next pass begins only when it is complete.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"
#include "jobs/job.h"
#include "jobs/json_text.h"

namespace stargazer::jobs {

// [tasks.kg_decay_task.settings], with its defaults. docs/jobs.md describes each.
struct DecaySettings {
  std::string graph = "knowledge";
  double factor = 0.95;
  double guild_factor = 0.975;  // of `factor` half the rate, unless given
  double prune_below = 0.05;
  std::int64_t batch = 1000;  // relationships that one query changes, and nodes that it looks at
  std::string weight_property = "weight";
  std::string category_property = "category";
  std::string priority_property = "priority";
  std::string core_category = "core";
  std::string guild_category = "guild";
  std::int64_t core_priority = 100;
  std::int64_t guild_priority = 80;
  std::string pass_property = "decay_pass";
  std::string pass_key;  // "" = "stargazer:kg_decay:" and the graph's name
};

// Fails with everything that is wrong in the settings of a run.
Result<DecaySettings> read_decay_settings(const Json& params);

JobOutcome kg_decay(std::string_view params, JobHost& host);

}  // namespace stargazer::jobs
