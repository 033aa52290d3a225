// What every configuration text must keep to, whatever its format.
#pragma once

#include <cstdlib>
#include <string>

#include "config/check_report.h"
#include "config/config_reader.h"

namespace stargazer {

inline void demand(bool holds) {
  if (!holds) std::abort();
}

// Either a configuration that can be planned and reported, or problems of one line each; never both, never neither.
inline void fuzz_config(const std::uint8_t* data, std::size_t size, ConfigFormat format) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const ConfigOutcome outcome = read_config({{"fuzz", text, format}});
  demand(outcome.config.has_value() == outcome.problems.empty());
  demand(outcome.problems.size() <= kConfigProblemsMax + 1);
  for (const std::string& problem : outcome.problems) demand(problem.find('\n') == std::string::npos);
  if (!outcome.config) return;
  demand(check_relations(*outcome.config).empty());
  const Registry registry = build_registry(*outcome.config, [](const Job&) { return std::string(); });
  demand(!check_report_text(*outcome.config, registry).empty());
  demand(!check_report_json(*outcome.config, registry).empty());
}

}  // namespace stargazer
