#include "io/orphans.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <poll.h>
#include <sstream>
#include <string_view>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "io/pidfd.h"
#include "io/unique_fd.h"

namespace stargazer {
namespace {

// proc(5): the children of the main thread, to which orphans are given.
std::vector<pid_t> children() {
  const std::string self = std::to_string(getpid());
  std::ifstream file("/proc/" + self + "/task/" + self + "/children");
  std::vector<pid_t> all;
  for (pid_t pid = 0; file >> pid;) all.push_back(pid);
  return all;
}

// False when it does not die: it hangs in the kernel, and so would we. The deaths of others interrupt the wait.
bool reap_within_a_second(pid_t pid) {
  const UniqueFd pidfd(open_pidfd(pid));
  pollfd exit_of{pidfd.get(), POLLIN, 0};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  for (auto left = std::chrono::milliseconds(1000); left.count() > 0;) {
    if (poll(&exit_of, 1, static_cast<int>(left.count())) >= 0 || errno != EINTR) break;
    left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  }
  return waitpid(pid, nullptr, WNOHANG) != 0;
}

}  // namespace

std::string run_id_of(pid_t pid) {
  constexpr std::string_view kName = "STARGAZER_RUN_ID=";
  constexpr std::streamsize kEnvironmentBytesMax = 262'144;
  std::ifstream file("/proc/" + std::to_string(pid) + "/environ", std::ios::binary);
  std::string environment(kEnvironmentBytesMax, '\0');
  file.read(environment.data(), kEnvironmentBytesMax);
  environment.resize(static_cast<std::size_t>(file.gcount()));
  std::istringstream variables(environment);
  for (std::string variable; std::getline(variables, variable, '\0');) {
    if (variable.starts_with(kName)) return variable.substr(kName.size());
  }
  return "";
}

void Orphans::adopt_from_now_on() {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

std::size_t Orphans::sweep(bool any_run) {
  std::size_t killed = 0;
  for (const pid_t pid : children()) {
    if (is_worker_(pid)) continue;
    if (waitpid(pid, nullptr, WNOHANG) == pid) {
      dying_.erase(pid);
      continue;
    }
    const std::string run_id = run_id_of(pid);
    if (run_id.empty() ? any_run : may_live_(run_id)) continue;
    kill(pid, SIGKILL);
    if (dying_.insert(pid).second) ++killed;
  }
  return killed;
}

void Orphans::kill_all() {
  for (bool found = true; found;) {
    found = false;
    for (const pid_t pid : children()) {
      if (is_worker_(pid)) continue;
      kill(pid, SIGKILL);
      if (!reap_within_a_second(pid)) return;
      found = true;
    }
  }
}

}  // namespace stargazer
