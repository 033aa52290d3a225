// stargazer-keeper: the fuse of a supervised worker, of which the daemon starts one for each. It runs the worker and
// ends it with all its descendants at an instant which the daemon moves on whenever it renews its lease, so that a
// daemon that is stopped, hung or gone cannot keep a worker from ending. See lib/io/keeper_protocol.h and LEASE.md
// section 3.7.
//
// It has one thread, because the worker's death signal follows the thread that made it; and it is linked statically, so
// that nothing in the environment, which is the worker's, can give it another.
//
// Exit codes beside the worker's own: 64 (EX_USAGE) wrong arguments; 127 the worker could not be started.

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <string_view>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "io/keeper_protocol.h"
#include "io/run_cgroup.h"
#include "keeper/keep.h"
#include "keeper/limited.h"
#include "keeper/probe.h"

namespace {

using namespace stargazer;
using namespace stargazer::keeper;

int usage() {
  std::fprintf(stderr,
               "usage: stargazer-keeper --probe\n"
               "       stargazer-keeper cgroup=DIR|pid-namespace|process-group FUSE PROGRAM ARGV0 [ARGUMENT...]\n"
               "       stargazer-keeper limited [cgroup=DIR] [nice=N] [data=BYTES] -- PROGRAM ARGV0 [ARGUMENT...]\n"
               "The last two forms are for stargazer-scheduler, which passes the descriptors 0 to 5.\n");
  return EX_USAGE;
}

bool is_pipe(int fd) {
  struct stat found {};
  return fstat(fd, &found) == 0 && S_ISFIFO(found.st_mode) && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

// Whatever we open must not take a place that is the worker's.
bool has_what_the_worker_gets() {
  for (int fd = STDIN_FILENO; fd < kKeeperFuseFd; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) return false;
  }
  return true;
}

std::optional<Instant> parse_fuse(std::string_view text) {
  FuseRecord since_boot = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), since_boot);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return Instant(Duration(since_boot));
}

// The directory of kCgroup, "" for another mode.
std::optional<Mode> parse_mode(std::string_view text, std::string& directory) {
  if (text == kPidNamespaceMode) return Mode::kPidNamespace;
  if (text == kProcessGroupMode) return Mode::kProcessGroup;
  if (!text.starts_with(kCgroupModePrefix)) return std::nullopt;
  directory = text.substr(kCgroupModePrefix.size());
  return directory.starts_with('/') ? std::optional(Mode::kCgroup) : std::nullopt;
}

int print_probe() {
  const Probed probed = probe();
  std::printf("%s\n%s\n", probed.mode.c_str(), probed.weakness.c_str());
  std::fflush(stdout);
  return EX_OK;
}

int keep(const Launch& what, Instant fuse) {
  Keep keep(what);
  if (Status started = keep.start(fuse); !started.ok()) {
    report(started.error().in(kKeeperName));
    if (what.cgroup != nullptr) what.cgroup->remove();
    return kNotStartedCode;
  }
  end_like(keep.run());
}

int run(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], kKeeperProbeOption) == 0) return print_probe();
  if (argc > 1 && std::strcmp(argv[1], kLimitedMode) == 0 && has_what_the_worker_gets()) {
    const int code = run_limited(argc, argv);
    return code == EX_USAGE ? usage() : code;
  }
  if (argc < 5 || !has_what_the_worker_gets() || !is_pipe(kKeeperFuseFd) || !is_pipe(kKeeperReportFd)) return usage();
  std::string directory;
  const std::optional<Mode> mode = parse_mode(argv[1], directory);
  const std::optional<Instant> fuse = parse_fuse(argv[2]);
  if (!mode || !fuse) return usage();
  const RunCgroup cgroup(directory, getpid());
  return keep({*mode, *mode == Mode::kCgroup ? &cgroup : nullptr, argv[3], argv + 4}, *fuse);
}

}  // namespace

int main(int argc, char** argv) {
  // Without what a libc does at exit: nothing here needs it, and a fork of this process may come here as well.
  _exit(run(argc, argv));
}
