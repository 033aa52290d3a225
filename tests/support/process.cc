#include "support/process.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <signal.h>
#include <spawn.h>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "support/temporary_directory.h"

namespace stargazer::testing {
namespace {

// Redirections of a child, applied in the child by posix_spawn.
class Redirections {
 public:
  Redirections() { posix_spawn_file_actions_init(&actions_); }
  ~Redirections() { posix_spawn_file_actions_destroy(&actions_); }
  Redirections(const Redirections&) = delete;
  Redirections& operator=(const Redirections&) = delete;

  void open(int fd, const std::filesystem::path& path, int flags) {
    posix_spawn_file_actions_addopen(&actions_, fd, path.c_str(), flags, 0600);
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

pid_t spawn(const std::vector<std::string>& argv, const Redirections& redirections) {
  std::vector<char*> pointers;
  pointers.reserve(argv.size() + 1);
  for (const std::string& argument : argv) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, pointers[0], redirections.get(), nullptr, pointers.data(), environ);
  if (error != 0) throw std::runtime_error(argv[0] + ": " + std::strerror(error));
  return pid;
}

int wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) == -1 && errno == EINTR) {
  }
  return status;
}

std::string contents(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace

Process::Process(const std::vector<std::string>& argv, const std::filesystem::path& log) {
  std::vector<std::string> bound = {"setpriv", "--pdeathsig", "KILL"};
  bound.insert(bound.end(), argv.begin(), argv.end());
  Redirections redirections;
  redirections.open(STDIN_FILENO, "/dev/null", O_RDONLY);
  redirections.open(STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND);
  redirections.open(STDERR_FILENO, log, O_WRONLY | O_CREAT | O_APPEND);
  pid_ = spawn(bound, redirections);
}

Process::~Process() {
  kill();
}

Process::Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    kill();
    pid_ = std::exchange(other.pid_, -1);
  }
  return *this;
}

void Process::signal(int number) const {
  ::kill(pid_, number);
}

void Process::end() {
  signal(SIGTERM);
  wait_for(std::exchange(pid_, -1));
}

void Process::kill() {
  if (pid_ == -1) return;
  signal(SIGKILL);
  wait_for(std::exchange(pid_, -1));
}

std::string run(const std::vector<std::string>& argv, const std::string& input) {
  const TemporaryDirectory directory;
  const auto in = directory.path() / "in";
  const auto out = directory.path() / "out";
  const auto err = directory.path() / "err";
  std::ofstream(in, std::ios::binary) << input;
  Redirections redirections;
  redirections.open(STDIN_FILENO, in, O_RDONLY);
  redirections.open(STDOUT_FILENO, out, O_WRONLY | O_CREAT);
  redirections.open(STDERR_FILENO, err, O_WRONLY | O_CREAT);
  if (wait_for(spawn(argv, redirections)) != 0) throw std::runtime_error(argv[0] + ": " + contents(err));
  return contents(out);
}

}  // namespace stargazer::testing
