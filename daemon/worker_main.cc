// stargazer-worker: the process of one run of a plugin's job, started by the daemon. See stargazer/plugin.h for what a
// plugin is, and docs/workers.md for what is said on fd 3.
//
// Exit codes: 0 ok; 77 skipped; 1 failed, or the plugin cannot be listed; 2 the daemon was gone before it said what to
// run; 64 (EX_USAGE) wrong arguments.

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "io/plugin_files.h"
#include "worker/plugin.h"
#include "worker/run.h"

namespace {

using namespace stargazer;
using namespace stargazer::worker;

int usage() {
  std::fprintf(stderr,
               "usage: stargazer-worker --list LIBRARY     prints the jobs of a plugin\n"
               "       stargazer-worker --version\n"
               "       stargazer-worker LIBRARY JOB        for stargazer-scheduler, which passes the descriptor 3\n"
               "LIBRARY is a path, or the name of a plugin that is installed: NAME.so without the \".so\".\n");
  return EX_USAGE;
}

int list(const std::string& library) {
  const Result<std::string> file = find_plugin(library);
  const Result<const stargazer_plugin*> plugin = file.ok() ? load_plugin(*file) : file.error();
  if (!plugin.ok()) {
    std::fprintf(stderr, "stargazer-worker: %s\n", plugin.error().message().c_str());
    return EXIT_FAILURE;
  }
  std::printf("%s", list_text(**plugin).c_str());
  std::fflush(stdout);
  return EXIT_SUCCESS;
}

// The socket that STARGAZER_FD names, out of reach of whatever the job starts. Empty when there is none.
UniqueFd channel_socket() {
  const char* const variable = std::getenv("STARGAZER_FD");
  const std::string_view text = variable == nullptr ? "" : variable;
  int fd = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fd);
  struct stat found {};
  if (error != std::errc() || end != text.data() + text.size() || fstat(fd, &found) != 0 || !S_ISSOCK(found.st_mode)) {
    return UniqueFd();
  }
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  return UniqueFd(fd);
}

int run(const std::string& library, const std::string& job) {
  UniqueFd socket = channel_socket();
  if (!socket) {
    std::fprintf(stderr,
                 "stargazer-worker: a job is started by stargazer-scheduler, with a channel in STARGAZER_FD; "
                 "this program by itself can only --list\n");
    return EX_USAGE;
  }
  std::signal(SIGPIPE, SIG_IGN);
  // A line that a job prints is a line of the journal at once.
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  // Both for the rest of the process's life.
  auto* const stop = new Stop;
  if (Status opened = stop->open(); !opened.ok()) {
    std::fprintf(stderr, "stargazer-worker: %s\n", opened.error().message().c_str());
    return EXIT_FAILURE;
  }
  stop->listen_to_sigterm();
  return run_job(library, job, *new Channel(std::move(socket), *stop), *stop);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (argc == 2 && first == "--version") return std::printf("%s\n", STARGAZER_VERSION) > 0 ? EX_OK : EXIT_FAILURE;
  if (argc != 3 || (first.starts_with('-') && first != "--list")) return usage();
  const int code = first == "--list" ? list(argv[2]) : run(argv[1], argv[2]);
  // Without what a libc does at exit: threads of the job may still use what that would destroy.
  _exit(code);
}
