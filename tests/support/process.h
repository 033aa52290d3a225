// A child process of a test, which does not outlive it.
#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

namespace stargazer::testing {

class Process {
 public:
  Process() = default;
  // Starts argv[0], looked up in PATH; stdin is /dev/null, stdout and stderr are appended to `log`. The child is killed
  // when this process dies, so call this from the main thread only. Throws std::runtime_error when it cannot start.
  Process(const std::vector<std::string>& argv, const std::filesystem::path& log);
  // Kills and reaps the child.
  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // -1 when there is none.
  pid_t pid() const { return pid_; }

  // Sends a signal. REQUIRES: pid() != -1.
  void signal(int number) const;
  // Asks the child to end, with SIGTERM, and waits until it has, however long that takes. REQUIRES: pid() != -1.
  void end();
  // Kills the child, if there is one, and waits until it is gone.
  void kill();

 private:
  pid_t pid_ = -1;
};

// Runs argv to its end with `input` as its stdin and returns its stdout. Throws std::runtime_error, with its stderr,
// when it cannot start or does not exit with 0.
std::string run(const std::vector<std::string>& argv, const std::string& input = "");

}  // namespace stargazer::testing
