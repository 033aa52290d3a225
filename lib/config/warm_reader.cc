#include "config/warm_reader.h"

#include <utility>

#include "config/limit_reader.h"

namespace stargazer {
namespace {

template <typename T>
void store(T& member, Result<T> value, const Entry& entry, const Place& place) {
  if (value) {
    member = std::move(*value);
  } else {
    place.problem(entry, value.error().message());
  }
}

}  // namespace

void read_warm(const Entry& entry, WarmRules& rules, const Place& place) {
  store(rules.keep, bool_of(entry.value), entry, place);
}

void read_warm_group(const Entry& entry, WarmRules& rules, const Place& place) {
  store(rules.group, text_of(entry.value, name_or_empty), entry, place);
}

void read_warm_idle_timeout(const Entry& entry, WarmRules& rules, const Place& place) {
  store(rules.idle_timeout, duration_of(entry.value, kWarmIdleTimeoutMin, kDurationMax, false), entry, place);
}

void read_warm_max_runs(const Entry& entry, WarmRules& rules, const Place& place) {
  store(rules.runs_max, number_of(entry.value, 1, kWarmRunsMost), entry, place);
}

void read_warm_max_memory(const Entry& entry, WarmRules& rules, const Place& place) {
  store(rules.memory_max_bytes, size_of(entry.value), entry, place);
}

}  // namespace stargazer
