#include "io/worker_program.h"

#include <utility>

#include "io/spawn.h"

namespace stargazer {

Result<WorkerProgram> program_of(const SpawnRequest& request, const UvWorkerHost::Options& options) {
  const std::string& own_directory = *request.working_directory;
  if (const auto* command = std::get_if<CommandJob>(request.job)) return WorkerProgram{command->argv, own_directory};
  if (std::holds_alternative<PythonJob>(*request.job) && !options.python_argv.empty()) {
    return WorkerProgram{options.python_argv, own_directory.empty() ? options.python_directory : own_directory};
  }
  if (const auto* plugin = std::get_if<PluginJob>(request.job); plugin != nullptr && options.plugin_argv) {
    Result<std::vector<std::string>> argv = options.plugin_argv(*plugin);
    if (!argv.ok()) return argv.error();
    return WorkerProgram{std::move(argv).value(), own_directory};
  }
  return Error(std::string(kind_of(*request.job)) + " jobs cannot be run by this version");
}

std::vector<std::string> environment_of(const SpawnRequest& request, const std::string& node_id) {
  Environment added = *request.environment;
  added["STARGAZER_TASK"] = request.name;
  added["STARGAZER_RUN_ID"] = request.run_id_text;
  added["STARGAZER_ATTEMPT"] = std::to_string(request.attempt);
  added["STARGAZER_NODE_ID"] = node_id;
  if (request.epoch != 0) added["STARGAZER_EPOCH"] = std::to_string(request.epoch);
  added["STARGAZER_FD"] = std::string("3");  // GCC 12 warns of a plain "3" without cause
  return worker_environment(added);
}

}  // namespace stargazer
