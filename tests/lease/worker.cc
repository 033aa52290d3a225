// The supervised worker of the lease tests: says of every moment that it is alive, as lines of one shared file.
//
//   EPOCH PID NODE SINCE_NS BOOTTIME_NS WHAT      WHAT: start, tick, term (was asked to stop), stop (its last line)
//
// SINCE_NS is when the process began: two processes in PID namespaces of their own may have the same number.
// Each line is one write to a file opened with O_APPEND, so the lines of all workers of all nodes stand in it whole.
// The epoch is STARGAZER_EPOCH, 0 without one. When the file has been removed, so has the test: the worker ends.
//
// usage: lease_worker --file FILE --node NODE [--tick-ms N] [--stop-ms N] [--grandchild] [--with-parent PID]
//   --stop-ms      goes on for so long after SIGTERM, as a worker that has something to finish
//   --grandchild   has a child in a session of its own, which writes lines as well and never ends by itself
//   --with-parent  dies with this parent, at once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <string>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kNsPerS = 1'000'000'000;

struct Options {
  std::string file;
  std::string node;
  std::int64_t tick_ms = 20;
  std::int64_t stop_ms = 0;
  bool grandchild = false;
  pid_t parent = 0;  // 0: need not live
};

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * kNsPerS + now.tv_nsec;
}

class Lines {
 public:
  explicit Lines(const Options& options)
      : fd_(open(options.file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644)), node_(options.node) {
    if (const char* epoch = std::getenv("STARGAZER_EPOCH"); epoch != nullptr) epoch_ = epoch;
  }

  // The first line of this process.
  void begin() {
    since_ns_ = now_ns();
    write("start");
  }

  // Ends the process when the line cannot be written or nobody can read it any more.
  void write(const char* what) const {
    const std::string line = epoch_ + ' ' + std::to_string(getpid()) + ' ' + node_ + ' ' + std::to_string(since_ns_) +
                             ' ' + std::to_string(now_ns()) + ' ' + what + '\n';
    struct stat found {};
    if (fstat(fd_, &found) != 0 || found.st_nlink == 0) _exit(1);
    if (::write(fd_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(1);
  }

 private:
  int fd_;
  std::string node_;
  std::string epoch_ = "0";
  std::int64_t since_ns_ = 0;
};

// Whether SIGTERM came within `ms`. REQUIRES: it is blocked.
bool asked_to_stop_within(std::int64_t ms) {
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  const timespec wait{ms / 1000, ms % 1000 * kNsPerMs};
  return sigtimedwait(&term, nullptr, &wait) == SIGTERM;
}

[[noreturn]] void work(Lines& lines, const Options& options) {
  lines.begin();
  while (!asked_to_stop_within(options.tick_ms)) lines.write("tick");
  lines.write("term");
  const std::int64_t end = now_ns() + options.stop_ms * kNsPerMs;
  for (std::int64_t left = options.stop_ms; left > 0; left = (end - now_ns()) / kNsPerMs) {
    const timespec pause{0, (left < options.tick_ms ? left : options.tick_ms) % 1000 * kNsPerMs};
    nanosleep(&pause, nullptr);
    lines.write("tick");
  }
  lines.write("stop");
  _exit(0);
}

[[noreturn]] void work_for_ever(Lines& lines, const Options& options) {
  setsid();
  lines.begin();
  for (;;) {
    (void)asked_to_stop_within(options.tick_ms);
    lines.write("tick");
  }
}

[[noreturn]] void usage() {
  std::fputs(
      "usage: lease_worker --file FILE --node NODE [--tick-ms N] [--stop-ms N] [--grandchild]"
      " [--with-parent PID]\n",
      stderr);
  std::exit(2);
}

Options parse(int argc, char** argv) {
  constexpr option kOptions[] = {{"file", required_argument, nullptr, 'f'},
                                 {"node", required_argument, nullptr, 'n'},
                                 {"tick-ms", required_argument, nullptr, 't'},
                                 {"stop-ms", required_argument, nullptr, 's'},
                                 {"grandchild", no_argument, nullptr, 'g'},
                                 {"with-parent", required_argument, nullptr, 'p'},
                                 {}};
  Options options;
  for (int found = 0; (found = getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    switch (found) {
      case 'f': options.file = optarg; break;
      case 'n': options.node = optarg; break;
      case 't': options.tick_ms = std::atoll(optarg); break;
      case 's': options.stop_ms = std::atoll(optarg); break;
      case 'g': options.grandchild = true; break;
      case 'p': options.parent = static_cast<pid_t>(std::atoll(optarg)); break;
      default: usage();
    }
  }
  if (options.file.empty() || options.node.empty() || options.tick_ms <= 0) usage();
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  if (options.parent != 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != options.parent) return 1;  // it died before that
  }
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  sigprocmask(SIG_BLOCK, &term, nullptr);

  Lines lines(options);
  if (options.grandchild && fork() == 0) work_for_ever(lines, options);
  work(lines, options);
}
