#include "io/spawn.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <iterator>
#include <spawn.h>
#include <string_view>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/pidfd.h"
#include "io/system_error.h"

namespace stargazer {
namespace {

// glibc's two spawn structures, destroyed on every path.
class SpawnSettings {
 public:
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
};

// The child's ends, by their number there; closed in this process once the child has them.
using ChildEnds = std::vector<UniqueFd>;

Status make_pipe(UniqueFd& read_end, UniqueFd& write_end) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return system_error("pipe", errno);
  read_end.reset(ends[0]);
  write_end.reset(ends[1]);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {};
}

Status make_channel(UniqueFd& ours, UniqueFd& theirs) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return system_error("socketpair", errno);
  ours.reset(ends[0]);
  theirs.reset(ends[1]);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {};
}

// The first four.
Status open_ends(SpawnedProcess& ours, ChildEnds& theirs) {
  theirs.resize(4);
  theirs[0].reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!theirs[0]) return system_error("/dev/null", errno);
  if (Status made = make_pipe(ours.stdout_read, theirs[1]); !made.ok()) return made;
  if (Status made = make_pipe(ours.stderr_read, theirs[2]); !made.ok()) return made;
  return make_channel(ours.channel, theirs[3]);
}

// Out of the way of the child's numbers: no dup2 may overwrite the source of a later one.
Status raise_ends(ChildEnds& ends) {
  const auto lowest = static_cast<int>(ends.size());
  for (UniqueFd& end : ends) {
    if (end.get() >= lowest) continue;
    const int raised = fcntl(end.get(), F_DUPFD_CLOEXEC, lowest);
    if (raised < 0) return system_error("descriptors", errno);
    end.reset(raised);
  }
  return {};
}

// posix_spawn's error does not say whether the program or the directory was at fault.
Status check_directory(const std::string& path) {
  struct stat found {};
  if (path.empty()) return {};
  if (stat(path.c_str(), &found) != 0) return system_error("working directory " + path, errno);
  if (!S_ISDIR(found.st_mode)) return system_error("working directory " + path, ENOTDIR);
  if (access(path.c_str(), X_OK) != 0) return system_error("working directory " + path, errno);
  return {};
}

void describe_child(SpawnSettings& settings, const ChildEnds& ends, const std::string& working_directory) {
  for (std::size_t number = 0; number < ends.size(); ++number) {
    posix_spawn_file_actions_adddup2(&settings.actions, ends[number].get(), static_cast<int>(number));
  }
  posix_spawn_file_actions_addclosefrom_np(&settings.actions, static_cast<int>(ends.size()));
  if (!working_directory.empty()) {
    posix_spawn_file_actions_addchdir_np(&settings.actions, working_directory.c_str());
  }
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setpgroup(&settings.attributes, 0);
  posix_spawnattr_setsigmask(&settings.attributes, &none);
  posix_spawnattr_setsigdefault(&settings.attributes, &all);
  posix_spawnattr_setflags(&settings.attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

bool belongs_to_the_daemon(std::string_view name) {
  constexpr std::array<std::string_view, 3> kNames{"NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM"};
  constexpr std::array<std::string_view, 3> kPrefixes{"WATCHDOG_", "LISTEN_", "STARGAZER_"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end() ||
         std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [name](std::string_view prefix) { return name.starts_with(prefix); });
}

}  // namespace

Result<SpawnedProcess> spawn_process(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                                     const std::string& working_directory, std::vector<UniqueFd> more) {
  SpawnedProcess process;
  ChildEnds ends;
  if (Status checked = check_directory(working_directory); !checked.ok()) return checked.error();
  if (Status opened = open_ends(process, ends); !opened.ok()) return opened.error();
  std::move(more.begin(), more.end(), std::back_inserter(ends));
  if (Status raised = raise_ends(ends); !raised.ok()) return raised.error();
  SpawnSettings settings;
  describe_child(settings, ends, working_directory);
  const std::vector<char*> arguments = pointers_to(argv);
  const std::vector<char*> variables = pointers_to(environment);
  const int error = posix_spawnp(&process.pid, arguments[0], &settings.actions, &settings.attributes, arguments.data(),
                                 variables.data());
  if (error != 0) return system_error(argv[0], error);
  process.pidfd.reset(open_pidfd(process.pid));
  if (!process.pidfd) {
    const int pidfd_error = errno;
    kill(-process.pid, SIGKILL);
    waitpid(process.pid, nullptr, 0);
    return system_error("pidfd_open", pidfd_error);
  }
  return process;
}

std::vector<std::string> worker_environment(const Environment& added) {
  std::vector<std::string> all;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const std::string name(text.substr(0, text.find('=')));
    if (!belongs_to_the_daemon(name) && !added.contains(name)) all.emplace_back(text);
  }
  for (const auto& [name, value] : added) all.emplace_back(name).append("=").append(value);
  return all;
}

}  // namespace stargazer
