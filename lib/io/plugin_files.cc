#include "io/plugin_files.h"

#include <cerrno>
#include <sys/stat.h>
#include <unistd.h>

#include "io/program_directory.h"
#include "io/system_error.h"

namespace stargazer {
namespace {

bool is_file(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode);
}

Error missing(const std::string& what, const std::vector<std::string>& places) {
  std::string list;
  for (const std::string& place : places) list.append(list.empty() ? "" : ", ").append(place);
  return Error(what + " is missing: there is no file " + list);
}

// The first of `places` that is a file. Fails when there is none, or when it may not be used in that way.
Result<std::string> first_of(const std::string& what, const std::vector<std::string>& places, int mode) {
  for (const std::string& place : places) {
    if (!is_file(place)) continue;
    if (access(place.c_str(), mode) != 0) return system_error(place, errno);
    return place;
  }
  return missing(what, places);
}

}  // namespace

std::vector<std::string> plugin_folders() {
  return {directory_of_this_program(), STARGAZER_LIBEXEC_DIR "/plugins"};
}

std::vector<std::string> plugin_worker_places() {
  return {directory_of_this_program() + "/" + kPluginWorkerName,
          std::string(STARGAZER_LIBEXEC_DIR "/") + kPluginWorkerName};
}

Result<std::string> find_plugin(const std::string& library, const std::vector<std::string>& folders) {
  std::vector<std::string> places;
  if (library.find('/') != std::string::npos) {
    places.push_back(library);
  } else {
    for (const std::string& folder : folders) places.emplace_back(folder).append("/").append(library).append(".so");
  }
  return first_of("the plugin \"" + library + "\"", places, R_OK);
}

Result<std::vector<std::string>> plugin_argv(const PluginJob& job, const std::vector<std::string>& places,
                                             const std::vector<std::string>& folders) {
  Result<std::string> worker = first_of(kPluginWorkerName, places, X_OK);
  if (!worker.ok()) return worker.error();
  const auto& [library, name] = job;
  Result<std::string> file = find_plugin(library, folders);
  if (!file.ok()) return file.error();
  return std::vector<std::string>{std::move(worker).value(), std::move(file).value(), name};
}

std::string plugin_obstacle(const PluginJob& job) {
  const Result<std::vector<std::string>> argv = plugin_argv(job);
  return argv.ok() ? "" : argv.error().message();
}

}  // namespace stargazer
