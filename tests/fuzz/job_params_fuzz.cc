// The parameters of a run as a job in C++ reads them, whatever they are: settings within their bounds, or one line that
// says what is wrong.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "jobs/channel_summarization.h"
#include "jobs/kg_decay.h"
#include "jobs/limbic_maintenance.h"
#include "jobs/scheduled_prompt_cleanup.h"
#include "jobs/setup.h"

namespace {

using namespace stargazer::jobs;

void must(bool holds) {
  if (!holds) std::abort();
}

template <typename Settings, typename Check>
void check(const stargazer::Result<Settings>& settings, Check holds) {
  if (settings) return must(holds(*settings));
  const std::string& message = settings.error().message();
  must(message.starts_with("settings"));
  must(message.find('\n') == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto params = parse_json({reinterpret_cast<const char*>(data), size});
  if (!params) return 0;
  check(read_decay_settings(*params), [](const DecaySettings& settings) {
    return settings.factor >= 0 && settings.factor <= 1 && settings.batch > 0 && !settings.graph.empty() &&
           settings.weight_property.find_first_of(" `'()") == std::string::npos;
  });
  check(read_maintenance_settings(*params), [](const MaintenanceSettings& settings) {
    return settings.batch > 0 && settings.grace >= stargazer::Duration::zero();
  });
  check(read_cleanup_settings(*params), [](const CleanupSettings& settings) {
    return !settings.prefix.empty() && !settings.statuses.empty() && !settings.time_fields.empty();
  });
  check(read_summarization_settings(*params), [](const SummarizationSettings& settings) {
    return settings.chat.tries_max > 0 && settings.chat.backoff_max >= settings.chat.backoff_min;
  });
  flag_of(*params, "ka_enabled", true);
  return 0;
}
