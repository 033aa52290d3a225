#include "io/run_cgroup.h"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <dirent.h>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "io/system_error.h"
#include "io/unique_fd.h"

namespace stargazer {
namespace {

constexpr std::string_view kWorkerPrefix = "stargazer-worker-";
constexpr std::string_view kRunPrefix = "stargazer-run-";

std::vector<std::string> folders_in(const std::string& path) {
  std::vector<std::string> names;
  DIR* const folder = opendir(path.c_str());
  if (folder == nullptr) return names;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(folder);
  return names;
}

// The depth of groups is limited by what the worker could make: cgroup.max.depth, and the length of a path.
bool remove_tree(const std::string& path) {  // NOLINT(misc-no-recursion)
  if (rmdir(path.c_str()) == 0 || errno == ENOENT) return true;
  for (const std::string& name : folders_in(path)) remove_tree(std::string(path).append("/").append(name));
  return rmdir(path.c_str()) == 0 || errno == ENOENT;
}

// The pid in the name of a group of ours, else 0.
pid_t owner_of(std::string_view name) {
  const std::string_view prefix = name.starts_with(kWorkerPrefix) ? kWorkerPrefix : kRunPrefix;
  if (!name.starts_with(prefix)) return 0;
  name.remove_prefix(prefix.size());
  pid_t pid = 0;
  const char* const whole = name.data() + name.size();
  const auto [end, error] = std::from_chars(name.data(), whole, pid);
  const bool ended_well = prefix == kRunPrefix ? end != whole && *end == '-' : end == whole;
  return error == std::errc() && ended_well ? pid : 0;
}

}  // namespace

Status write_file(const std::string& path, std::string_view text) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) return system_error(path, errno);
  if (write(file.get(), text.data(), text.size()) < 0) return system_error(path, errno);
  return {};
}

RunCgroup::RunCgroup(const std::string& directory, pid_t keeper)
    : path_(directory + "/" + std::string(kWorkerPrefix) + std::to_string(keeper)) {}

RunCgroup::RunCgroup(const std::string& directory, pid_t daemon, std::uint64_t run)
    : path_(directory + "/" + std::string(kRunPrefix) + std::to_string(daemon) + "-" + std::to_string(run)) {}

Status RunCgroup::make() const {
  int made = mkdir(path_.c_str(), 0755);
  if (made != 0 && errno == EEXIST) {
    if (Status killed = kill(); !killed.ok()) return killed;
    made = remove() ? mkdir(path_.c_str(), 0755) : -1;
  }
  if (made != 0) return system_error(path_, errno);
  if (access((path_ + "/cgroup.kill").c_str(), W_OK) == 0) return {};
  const int no_kill = errno;
  remove();
  return system_error(path_ + "/cgroup.kill", no_kill);
}

Status RunCgroup::enter() const {
  return write_file(path_ + "/cgroup.procs", "0");
}

Status RunCgroup::kill() const {
  return write_file(path_ + "/cgroup.kill", "1");
}

bool RunCgroup::remove() const {
  return remove_tree(path_);
}

void end_stale_run_cgroups(const std::string& directory) {
  for (const std::string& name : folders_in(directory)) {
    const pid_t owner = owner_of(name);
    if (owner <= 0 || ::kill(owner, 0) == 0 || errno != ESRCH) continue;
    const RunCgroup stale(std::string(directory).append("/").append(name));
    // Killed or not, only an empty one can be removed.
    if (stale.kill().ok()) stale.remove();
  }
}

}  // namespace stargazer
