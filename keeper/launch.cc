#include "keeper/launch.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/keeper_protocol.h"
#include "io/pidfd.h"
#include "io/system_error.h"

namespace stargazer::keeper {
namespace {

[[noreturn]] void give_up(const Error& error) {
  report(error);
  _exit(kNotStartedCode);
}

// The parent may have died before the wish was there.
Status die_with(int parent_pidfd) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return system_error("PR_SET_PDEATHSIG", errno);
  pollfd exited{parent_pidfd, POLLIN, 0};
  if (poll(&exited, 1, 0) != 0) return Error("the keeper has died");
  return {};
}

[[noreturn]] void exec_worker(const Launch& what) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execv(what.program, what.argv);
  give_up(system_error(what.argv[0], errno));
}

// Process 1 reaps whatever is orphaned in its namespace. Ends with the worker, and everything else with it.
[[noreturn]] void serve_as_init(pid_t worker, int status_write) {
  sigset_t awaited;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGCHLD);
  sigaddset(&awaited, SIGTERM);
  while (true) {
    int status = 0;
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG)) {
      if (pid != worker) continue;
      const ssize_t written = write(status_write, &status, sizeof status);
      _exit(written == sizeof status ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    if (sigwaitinfo(&awaited, nullptr) == SIGTERM) pass_term_on(worker);
  }
}

[[noreturn]] void run_init(const Launch& what, int keeper, int status_write) {
  if (Status became = become_init(keeper); !became.ok()) give_up(became.error().in(kKeeperName));
  const pid_t worker = fork();
  if (worker < 0) give_up(system_error("fork", errno).in(kKeeperName));
  if (worker == 0) exec_worker(what);
  // What the worker was given must not stay open because of us.
  dup2(status_write, STDIN_FILENO);
  close_range(STDIN_FILENO + 1, ~0U, 0);
  serve_as_init(worker, STDIN_FILENO);
}

// Waits for the keeper's death: killed by somebody, or stopped and killed by its fuse, it could not end anything
// itself.
[[noreturn]] void run_guard(const RunCgroup* cgroup, int keeper) {
  dup2(keeper, STDIN_FILENO);
  close_range(STDIN_FILENO + 1, ~0U, 0);
  pollfd died{STDIN_FILENO, POLLIN, 0};
  while (poll(&died, 1, -1) <= 0) continue;
  if (cgroup != nullptr && cgroup->kill().ok()) cgroup->remove();
  kill(0, SIGKILL);
  _exit(EXIT_FAILURE);
}

[[noreturn]] void run_worker(const Launch& what, int keeper) {
  if (Status bound = die_with(keeper); !bound.ok()) give_up(bound.error().in(kKeeperName));
  if (what.cgroup != nullptr) {
    if (Status entered = what.cgroup->enter(); !entered.ok()) give_up(entered.error().in(kKeeperName));
  }
  exec_worker(what);
}

}  // namespace

void report(const Error& error) {
  std::string line = error.message().substr(0, kKeeperReportBytesMax - 1) + "\n";
  // The daemon may be gone; then nobody needs to know.
  if (write(kKeeperReportFd, line.data(), line.size()) < 0) return;
}

void pass_term_on(pid_t worker) {
  if (getpgid(worker) != getpgrp()) kill(worker, SIGTERM);
}

Status become_init(int keeper) {
  if (Status bound = die_with(keeper); !bound.ok()) return bound;
  if (unshare(CLONE_NEWNS) != 0) return system_error("mount namespace", errno);
  // Only /proc is cut off, so that what the worker mounts elsewhere is mounted for everybody, as it would have been.
  if (mount(nullptr, "/proc", nullptr, MS_PRIVATE, nullptr) != 0) return system_error("/proc", errno);
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
    return system_error("mount /proc", errno);
  }
  return {};
}

Result<Launched> launch(const Launch& what) {
  Launched launched;
  UniqueFd status_write;
  const UniqueFd keeper(open_pidfd(getpid()));
  if (!keeper) return system_error("pidfd_open", errno);
  if (what.mode == Mode::kPidNamespace) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return system_error("pipe", errno);
    launched.status_read.reset(ends[0]);
    status_write.reset(ends[1]);
    if (unshare(CLONE_NEWPID) != 0) return system_error("PID namespace", errno);
  }
  if (what.mode != Mode::kPidNamespace) {
    const pid_t guard = fork();
    if (guard < 0) return system_error("fork", errno);
    if (guard == 0) run_guard(what.cgroup, keeper.get());
  }
  launched.child = fork();
  if (launched.child < 0) return system_error("fork", errno);
  if (launched.child > 0) return launched;
  if (what.mode == Mode::kPidNamespace) run_init(what, keeper.get(), status_write.get());
  run_worker(what, keeper.get());
}

}  // namespace stargazer::keeper
