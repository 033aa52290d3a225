#include "io/orphans.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
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

// proc(5): the children of the main thread, to which orphans are given.
void Orphans::open_list() {
  const std::string self = std::to_string(getpid());
  list_.reset(open(("/proc/" + self + "/task/" + self + "/children").c_str(), O_RDONLY | O_CLOEXEC));
}

// Their numbers in one line, each followed by a space.
std::vector<pid_t> Orphans::children() {
  if (!list_) open_list();
  std::string text;
  std::array<char, 4096> part{};
  for (ssize_t count = 0; (count = pread(list_.get(), part.data(), part.size(), static_cast<off_t>(text.size()))) > 0;)
    text.append(part.data(), static_cast<std::size_t>(count));
  std::vector<pid_t> all;
  const char* place = text.c_str();
  for (char* end = nullptr;; place = end) {
    const auto pid = static_cast<pid_t>(std::strtol(place, &end, 10));
    if (end == place || pid <= 0) return all;
    all.push_back(pid);
  }
}

void Orphans::adopt_from_now_on() {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

std::size_t Orphans::sweep() {
  std::size_t killed = 0;
  std::vector<pid_t> all = children();
  std::erase_if(all, [this](pid_t pid) { return is_worker_(pid) || waitpid(pid, nullptr, WNOHANG) == pid; });
  // A number that is used again is that of another process.
  const auto is_gone = [&all](pid_t pid) { return std::find(all.begin(), all.end(), pid) == all.end(); };
  std::erase_if(dying_, is_gone);
  std::erase_if(may_be_of_, [&is_gone](const auto& entry) { return is_gone(entry.first); });
  const GoingOn going_on = all.empty() ? GoingOn() : going_on_();
  for (const pid_t pid : all) {
    if (dying_.contains(pid) || may_live(pid, going_on)) continue;
    kill(pid, SIGKILL);
    dying_.insert(pid);
    ++killed;
  }
  return killed;
}

bool Orphans::may_live(pid_t pid, const GoingOn& going_on) {
  const std::string run_id = run_id_of(pid);
  if (!run_id.empty()) return going_on.contains(run_id);
  const auto [place, is_new] = may_be_of_.try_emplace(pid);
  std::set<std::string>& may_be_of = place->second;
  for (const auto& [run, orphans_come_to_us] : going_on) {
    if (is_new && orphans_come_to_us) may_be_of.insert(run);
  }
  std::erase_if(may_be_of, [&going_on](const std::string& run) { return !going_on.contains(run); });
  return !may_be_of.empty();
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
