#include "keeper/probe.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

#include "io/keeper_protocol.h"
#include "io/pidfd.h"
#include "io/run_cgroup.h"
#include "io/system_error.h"
#include "io/unique_fd.h"
#include "keeper/launch.h"

namespace stargazer::keeper {
namespace {

// The lines of a file of the kernel's; none when it cannot be read. By stdio: streams would double this program.
std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  FILE* const file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return lines;
  char* line = nullptr;
  std::size_t size = 0;
  for (ssize_t length = getline(&line, &size, file); length > 0; length = getline(&line, &size, file)) {
    const bool ended = line[length - 1] == '\n';
    lines.emplace_back(line, static_cast<std::size_t>(ended ? length - 1 : length));
  }
  std::free(line);
  std::fclose(file);
  return lines;
}

// Field `number`, from 0, of a line that has so many, separated by single spaces.
std::string field_of(const std::string& line, int number) {
  std::size_t start = 0;
  for (; number > 0; --number) start = line.find(' ', start) + 1;
  return line.substr(start, line.find(' ', start) - start);
}

// proc(5), mountinfo: the fifth field is where, the first after " - " is what.
std::vector<std::string> cgroup2_mounts() {
  std::vector<std::string> places;
  for (const std::string& line : lines_of("/proc/self/mountinfo")) {
    if (line.find(" - cgroup2 ") != std::string::npos) places.push_back(field_of(line, 4));
  }
  return places;
}

// cgroups(7): the line of version 2 is "0::PATH".
std::string own_path() {
  for (const std::string& line : lines_of("/proc/self/cgroup")) {
    if (line.starts_with("0::/")) return line.substr(3);
  }
  return "";
}

// The path may be of another namespace than the mount, so only the list of members can be believed.
bool is_in(const std::string& directory) {
  const std::vector<std::string> members = lines_of(directory + "/cgroup.procs");
  return std::find(members.begin(), members.end(), std::to_string(getpid())) != members.end();
}

bool marked_as_delegated(const std::string& directory) {
  char value = 0;
  return getxattr(directory.c_str(), "user.delegate", &value, 1) == 1 && value == '1';
}

// Forks a process that runs `first` and then waits for its end; says whether it came so far.
struct Trial {
  pid_t pid = 0;
  Status ready;
};

Trial try_in_child(Status (*first)(const void*), const void* argument) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return {0, system_error("pipe", errno)};
  const UniqueFd told(ends[0]);
  UniqueFd tell(ends[1]);
  const pid_t pid = fork();
  if (pid < 0) return {0, system_error("fork", errno)};
  if (pid == 0) {
    const Status done = first(argument);
    const std::string text = done.ok() ? "+" : done.error().message();
    if (write(tell.get(), text.data(), text.size()) < 0) _exit(EXIT_FAILURE);
    while (true) pause();
  }
  tell.reset();
  std::array<char, kKeeperReportBytesMax> text{};
  const ssize_t count = read(told.get(), text.data(), text.size());
  if (count == 1 && text[0] == '+') return {pid, {}};
  return {pid, Error(count > 0 ? std::string(text.data(), static_cast<std::size_t>(count)) : "it died")};
}

void reap(pid_t pid) {
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

Status try_cgroup(const std::string& directory) {
  end_stale_run_cgroups(directory);
  const RunCgroup group(directory, getpid());
  if (Status made = group.make(); !made.ok()) return made;
  const Trial trial =
      try_in_child([](const void* entered) { return static_cast<const RunCgroup*>(entered)->enter(); }, &group);
  Status tried = trial.ready.ok() ? group.kill() : trial.ready;
  if (trial.pid > 0 && tried.ok()) {
    waitpid(trial.pid, nullptr, 0);
  } else if (trial.pid > 0) {
    reap(trial.pid);
  }
  group.remove();
  return tried;
}

Status try_pid_namespace() {
  const UniqueFd self(open_pidfd(getpid()));
  if (!self) return system_error("pidfd_open", errno);
  if (unshare(CLONE_NEWPID) != 0) return system_error("unshare", errno);
  const int keeper = self.get();
  const Trial trial = try_in_child([](const void* fd) { return become_init(*static_cast<const int*>(fd)); }, &keeper);
  if (trial.pid > 0) reap(trial.pid);
  return trial.ready;
}

}  // namespace

Result<std::string> delegated_cgroup() {
  const std::string path = own_path();
  if (path.empty()) return Error("this process is in no group of cgroup2");
  for (const std::string& mount : cgroup2_mounts()) {
    const std::string directory = path == "/" ? mount : mount + path;
    if (!is_in(directory)) continue;
    if (marked_as_delegated(directory)) return directory;
    if (geteuid() != 0 && access(directory.c_str(), W_OK) == 0) return directory;
    return Error(directory + " is not delegated to this process");
  }
  return Error("cgroup2 is not mounted");
}

Probed probe() {
  std::string weakness;
  Result<std::string> directory = delegated_cgroup();
  Status tried = directory.ok() ? try_cgroup(*directory) : Status(directory.error());
  if (tried.ok()) return {std::string(kCgroupModePrefix) + *directory, ""};
  weakness = "no control group: " + tried.error().message();
  tried = try_pid_namespace();
  if (tried.ok()) return {std::string(kPidNamespaceMode), weakness};
  return {std::string(kProcessGroupMode), weakness + "; no PID namespace: " + tried.error().message()};
}

}  // namespace stargazer::keeper
