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

constexpr std::string_view kNamePrefix = "stargazer-worker-";

Status write_file(const std::string& path, std::string_view text) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) return system_error(path, errno);
  if (write(file.get(), text.data(), text.size()) < 0) return system_error(path, errno);
  return {};
}

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
pid_t keeper_of(std::string_view name) {
  pid_t pid = 0;
  if (!name.starts_with(kNamePrefix)) return 0;
  name.remove_prefix(kNamePrefix.size());
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  return error == std::errc() && end == name.data() + name.size() ? pid : 0;
}

}  // namespace

RunCgroup::RunCgroup(const std::string& directory, pid_t keeper)
    : path_(directory + "/" + std::string(kNamePrefix) + std::to_string(keeper)) {}

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
    const pid_t keeper = keeper_of(name);
    if (keeper <= 0 || ::kill(keeper, 0) == 0 || errno != ESRCH) continue;
    const RunCgroup stale(directory, keeper);
    // Killed or not, only an empty one can be removed.
    if (stale.kill().ok()) stale.remove();
  }
}

}  // namespace stargazer
