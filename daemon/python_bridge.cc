#include "daemon/python_bridge.h"

#include <unistd.h>

#include "io/program_directory.h"

namespace stargazer {

std::vector<std::string> bridge_places() {
  return {directory_of_this_program() + "/bridge/run_job.py", STARGAZER_BRIDGE_DIR "/run_job.py"};
}

std::string find_bridge(const std::vector<std::string>& places) {
  for (const std::string& place : places) {
    if (access(place.c_str(), R_OK) == 0) return place;
  }
  return "";
}

std::string python_obstacle(const Config& config) {
  if (!config.python) return "[python] is not configured";
  const PythonConfig& python = *config.python;
  if (find_bridge().empty()) return "the Python bridge is missing: no file " + bridge_places().back();
  if (access(python.interpreter.c_str(), X_OK) != 0)
    return "python.interpreter cannot be executed: " + python.interpreter;
  return access(python.root.c_str(), X_OK) == 0 ? "" : "python.root cannot be entered: " + python.root;
}

// Unbuffered: what a job prints is a line of the journal at once.
std::vector<std::string> python_argv(const PythonConfig& python) {
  return {python.interpreter, "-u", find_bridge()};
}

}  // namespace stargazer
