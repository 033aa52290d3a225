// Where plugins lie, and stargazer-worker, the program that runs their jobs.
#pragma once

#include <string>
#include <vector>

#include "core/config.h"
#include "core/result.h"

namespace stargazer {

inline constexpr const char* kPluginWorkerName = "stargazer-worker";

// The folders of plugins: that of this program (a build tree), then the installed one.
std::vector<std::string> plugin_folders();

// The places where stargazer-worker may lie: beside this program, then where it is installed.
std::vector<std::string> plugin_worker_places();

// The file of a library as a configuration names it: an absolute path is that file, a name without a slash is
// FOLDER/name.so of the first folder that has it. Fails, naming the files that were looked for, when it is not there or
// cannot be read.
Result<std::string> find_plugin(const std::string& library, const std::vector<std::string>& folders = plugin_folders());

// The command that runs a job: stargazer-worker, the library's file, the job's name. Fails when either file is missing.
Result<std::vector<std::string>> plugin_argv(const PluginJob& job,
                                             const std::vector<std::string>& places = plugin_worker_places(),
                                             const std::vector<std::string>& folders = plugin_folders());

// Why the job cannot be run; "" when it can, as far as its files show.
std::string plugin_obstacle(const PluginJob& job);

}  // namespace stargazer
