// The keys of core/warm_rules.h as a file writes them. Each reports its problem itself and then leaves the rule as it
// was.
#pragma once

#include "config/schema.h"
#include "core/warm_rules.h"

namespace stargazer {

void read_warm(const Entry& entry, WarmRules& rules, const Place& place);
void read_warm_group(const Entry& entry, WarmRules& rules, const Place& place);
void read_warm_idle_timeout(const Entry& entry, WarmRules& rules, const Place& place);
void read_warm_max_runs(const Entry& entry, WarmRules& rules, const Place& place);
void read_warm_max_memory(const Entry& entry, WarmRules& rules, const Place& place);

using WarmReader = void (*)(const Entry& entry, WarmRules& rules, const Place& place);

// The same as the reader of a key of Key<Draft>.
template <typename Draft, WarmReader Read>
void read_warm_rule(const Entry& entry, Draft& draft, const Place& place) {
  Read(entry, draft.warm, place);
}

}  // namespace stargazer
