#include "keeper/probe.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/delegated_cgroup.h"
#include "io/keeper_protocol.h"
#include "io/pidfd.h"
#include "io/run_cgroup.h"
#include "io/system_error.h"
#include "io/unique_fd.h"
#include "keeper/launch.h"

namespace stargazer::keeper {
namespace {

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
