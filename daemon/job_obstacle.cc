#include "daemon/job_obstacle.h"

#include <algorithm>

#include "daemon/python_bridge.h"
#include "io/plugin_files.h"

namespace stargazer {

std::string job_obstacle(const Config& config, const Job& job) {
  if (const auto* native = std::get_if<NativeJob>(&job)) {
    if (native->name != "journal_feed") return "there is no native job \"" + native->name + "\"";
    return config.feed.units.empty() ? "feed.units is empty" : "";
  }
  if (std::holds_alternative<PythonJob>(job)) return python_obstacle(config);
  const auto* plugin = std::get_if<PluginJob>(&job);
  return plugin == nullptr ? "" : plugin_obstacle(*plugin);
}

bool has_workers_of_the_lease(const Config& config) {
  const auto is_process = [&config](const auto& planned) {
    return std::holds_alternative<CommandJob>(planned.job) || std::holds_alternative<PluginJob>(planned.job) ||
           (std::holds_alternative<PythonJob>(planned.job) && config.python);
  };
  return std::any_of(config.supervised.begin(), config.supervised.end(), is_process) ||
         std::any_of(config.tasks.begin(), config.tasks.end(), [is_process](const TaskConfig& task) {
           return task.run_on == RunOn::kLeader && is_process(task);
         });
}

}  // namespace stargazer
