// The keys of core/limits.h as a file writes them, for tasks and supervised workers alike. Each reports its problem
// itself and then leaves the limit as it was.
#pragma once

#include "config/schema.h"
#include "core/limits.h"

namespace stargazer {

// 0, or "512M" or a number of bytes, from kMemoryMaxLeastBytes to kMemoryMaxMostBytes.
Result<std::uint64_t> size_of(const Node& node);

// As size_of; 0 = none.
void read_memory_max(const Entry& entry, Limits& limits, const Place& place);
void read_cpu_weight(const Entry& entry, Limits& limits, const Place& place);
void read_processes_max(const Entry& entry, Limits& limits, const Place& place);
void read_nice(const Entry& entry, Limits& limits, const Place& place);

using LimitReader = void (*)(const Entry& entry, Limits& limits, const Place& place);

// The same as the reader of a key of Key<Draft>.
template <typename Draft, LimitReader Read>
void read_limit(const Entry& entry, Draft& draft, const Place& place) {
  Read(entry, draft.limits, place);
}

}  // namespace stargazer
