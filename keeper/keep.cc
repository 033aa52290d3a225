#include "keeper/keep.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <poll.h>
#include <string_view>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/keeper_protocol.h"
#include "io/system_error.h"

namespace stargazer::keeper {
namespace {

// While something is dying: the longest wait for its SIGCHLD before what is there is killed again.
constexpr int kKillAgainMs = 10;
// As many records as the pipe holds, so that after one read the newest is known.
constexpr std::size_t kFuseRecordsMax = kFusePipeBytesMax / sizeof(FuseRecord);

Result<UniqueFd> block_signals() {
  sigset_t all;
  sigset_t read_here;
  sigfillset(&all);
  sigemptyset(&read_here);
  sigaddset(&read_here, SIGCHLD);
  sigaddset(&read_here, SIGTERM);
  // An ignored SIGCHLD would let children vanish before they are waited for.
  if (signal(SIGCHLD, SIG_DFL) == SIG_ERR || sigprocmask(SIG_SETMASK, &all, nullptr) != 0) {
    return system_error("signals", errno);
  }
  UniqueFd fd(signalfd(-1, &read_here, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd) return system_error("signalfd", errno);
  return fd;
}

}  // namespace

Status Keep::start(Instant fuse) {
  Result<UniqueFd> signals = block_signals();
  if (!signals.ok()) return signals.error();
  signals_ = std::move(signals).value();
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return system_error("PR_SET_CHILD_SUBREAPER", errno);
  // Before it is armed: the kernel would not let us say so.
  if (boot_now() >= fuse) return Error("the fuse had burnt before the worker was started");
  if (Status armed = fuse_.arm(fuse); !armed.ok()) return armed;
  if (what_.cgroup != nullptr) {
    if (Status made = what_.cgroup->make(); !made.ok()) return made;
  }
  Result<Launched> launched = launch(what_);
  if (!launched.ok()) return launched.error();
  launched_ = std::move(launched).value();
  drop_what_is_the_workers();
  return {};
}

// So that the end of its output and of its channel can be seen. stderr stays, for our own last words.
void Keep::drop_what_is_the_workers() const {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(null, STDIN_FILENO);
  dup2(null, STDOUT_FILENO);
  if (null > STDERR_FILENO) close(null);
  close(STDERR_FILENO + 1);
  close(kKeeperReportFd);
  const rlimit none{};
  setrlimit(RLIMIT_CORE, &none);
  // Where it is not allowed, or too much, a keeper that was swapped out burns a little later.
  mlockall(MCL_CURRENT);
  if (chdir("/") != 0) return;  // only so that the worker's directory can be unmounted
}

int Keep::run() {
  while (!ended_ && !burnt_) wait(-1);
  const bool ended_by_itself = ended_;
  end_the_rest();
  collect_status();
  if (!ended_by_itself) tell_of_burning();
  if (what_.cgroup != nullptr) what_.cgroup->remove();
  return status_;
}

void Keep::wait(int timeout_ms) {
  std::array<pollfd, 3> events{
      {{burnt_ ? -1 : kKeeperFuseFd, POLLIN, 0}, {burnt_ ? -1 : fuse_.fd(), POLLIN, 0}, {signals_.get(), POLLIN, 0}}};
  if (poll(events.data(), events.size(), timeout_ms) < 0 && errno != EINTR) daemon_gone_ = true;
  // First what moves the fuse: it decides whether it has burnt.
  if (events[0].revents != 0) read_fuse();
  if (events[2].revents != 0) read_signals();
  if (burnt_ || !(daemon_gone_ || fuse_.burnt())) return;
  burnt_ = true;
  fuse_.burn(kPatience + Fuse::kBackstopDelay);
}

void Keep::read_fuse() {
  std::array<FuseRecord, kFuseRecordsMax> records{};
  const ssize_t count = read(kKeeperFuseFd, records.data(), sizeof records);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  // Half a record is as good as none: whoever writes that is not our daemon.
  daemon_gone_ = count <= 0 || static_cast<std::size_t>(count) % sizeof(FuseRecord) != 0;
  if (!daemon_gone_) fuse_.move(Instant(Duration(records[static_cast<std::size_t>(count) / sizeof(FuseRecord) - 1])));
}

void Keep::read_signals() {
  signalfd_siginfo signal{};
  while (read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
    // In a PID namespace the init does it, who knows the worker.
    if (signal.ssi_signo == SIGTERM && what_.mode != Mode::kPidNamespace && !ended_) pass_term_on(launched_.child);
  }
  reap();
}

void Keep::reap() {
  int status = 0;
  pid_t pid = waitpid(-1, &status, WNOHANG);
  for (; pid > 0; pid = waitpid(-1, &status, WNOHANG)) {
    if (pid != launched_.child) continue;
    ended_ = true;
    status_ = status;
  }
  childless_ = pid < 0 && errno == ECHILD;
}

void Keep::end_the_rest() {
  const Instant patience_over = boot_now() + kPatience;
  while (true) {
    // Whatever this could not reach is found below.
    if (what_.cgroup != nullptr) static_cast<void>(what_.cgroup->kill().ok());
    kill_children();
    reap();
    if (childless_) return;
    if (boot_now() >= patience_over) {
      if (burnt_) kill(0, SIGKILL);
      return;
    }
    wait(kKillAgainMs);
  }
}

// proc(5). Each is our child and not yet reaped, so that its pid is nobody else's.
void Keep::kill_children() const {
  const std::string self = std::to_string(getpid());
  FILE* const children = std::fopen(("/proc/" + self + "/task/" + self + "/children").c_str(), "re");
  if (children == nullptr) {
    if (!ended_) kill(launched_.child, SIGKILL);
    return;
  }
  for (int pid = 0; std::fscanf(children, "%d", &pid) == 1;) kill(pid, SIGKILL);
  std::fclose(children);
}

// The init ends with the status of a process that was not killed; what it was told of the worker counts.
void Keep::collect_status() {
  int status = 0;
  if (!launched_.status_read) return;
  if (read(launched_.status_read.get(), &status, sizeof status) == sizeof status) status_ = status;
}

void Keep::tell_of_burning() const {
  // Nobody may read, and a full pipe must not keep us: so only into room that is there.
  pollfd room{STDERR_FILENO, POLLOUT, 0};
  if (poll(&room, 1, 0) <= 0 || (room.revents & POLLOUT) == 0) return;
  const std::string_view line =
      daemon_gone_ ? "stargazer-keeper: the daemon is gone: killed the worker and its descendants\n"
                   : "stargazer-keeper: the lease was not renewed in time: killed the worker and its descendants\n";
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) return;
}

void end_like(int status) {
  if (WIFEXITED(status)) _exit(WEXITSTATUS(status));
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  sigset_t none;
  sigemptyset(&none);
  signal(WTERMSIG(status), SIG_DFL);
  kill(getpid(), WTERMSIG(status));
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // A signal that does not end a process does not end a worker either.
  _exit(128 + WTERMSIG(status));
}

}  // namespace stargazer::keeper
