#include "io/run_usage.h"

#include <algorithm>
#include <cstdlib>
#include <dirent.h>
#include <unistd.h>
#include <vector>

#include "io/delegated_cgroup.h"
#include "io/keeper_protocol.h"
#include "io/orphans.h"

namespace stargazer {
namespace {

std::string folder_of(pid_t pid) {
  return "/proc/" + std::to_string(pid);
}

std::vector<std::string> threads_of(pid_t pid) {
  std::vector<std::string> threads;
  DIR* const folder = opendir((folder_of(pid) + "/task").c_str());
  if (folder == nullptr) return threads;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] != '.') threads.emplace_back(entry->d_name);
  }
  closedir(folder);
  return threads;
}

// proc(5): the pids in one line, each followed by a space.
void add_children(pid_t pid, const std::string& thread, std::vector<pid_t>& found) {
  const std::vector<std::string> lines = lines_of(folder_of(pid) + "/task/" + thread + "/children");
  if (lines.empty()) return;
  const char* text = lines.front().c_str();
  for (char* end = nullptr;; text = end) {
    const auto child = static_cast<pid_t>(std::strtol(text, &end, 10));
    if (end == text || child <= 0) return;
    found.push_back(child);
  }
}

std::uint64_t resident_bytes(pid_t pid) {
  const std::vector<std::string> lines = lines_of(folder_of(pid) + "/statm");
  if (lines.empty()) return 0;
  const std::string& line = lines.front();
  const auto pages = std::strtoull(line.c_str() + std::min(line.find(' '), line.size()), nullptr, 10);
  return pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

// The kernel keeps the first fifteen characters of a program's name.
bool is_keeper(pid_t pid) {
  constexpr std::size_t kNameBytesMax = 15;
  const std::vector<std::string> lines = lines_of(folder_of(pid) + "/comm");
  return !lines.empty() && lines.front() == std::string(kKeeperName).substr(0, kNameBytesMax);
}

// The leader, and what of the run has lost its parent to us.
std::vector<pid_t> roots_of(pid_t leader, const std::string& run_id_text, const std::function<bool(pid_t)>& is_other) {
  std::vector<pid_t> ours;
  add_children(getpid(), std::to_string(getpid()), ours);
  std::erase_if(ours, [&](pid_t pid) {
    if (pid == leader || (is_other && is_other(pid))) return true;
    return getpgid(pid) != leader && run_id_of(pid) != run_id_text;
  });
  ours.push_back(leader);
  return ours;
}

}  // namespace

RunUsage usage_of(pid_t leader, const std::string& run_id_text, std::uint64_t processes_enough,
                  const std::function<bool(pid_t)>& is_other) {
  RunUsage usage;
  std::vector<pid_t> to_visit = roots_of(leader, run_id_text, is_other);
  while (!to_visit.empty() && usage.processes <= processes_enough) {
    const pid_t pid = to_visit.back();
    to_visit.pop_back();
    const std::vector<std::string> threads = threads_of(pid);
    for (const std::string& thread : threads) add_children(pid, thread, to_visit);
    if (is_keeper(pid)) continue;
    usage.processes += threads.size();
    ++usage.process_count;
    usage.memory_bytes += resident_bytes(pid);
  }
  return usage;
}

}  // namespace stargazer
