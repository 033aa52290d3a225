#include "io/delegated_cgroup.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sys/xattr.h>
#include <unistd.h>

namespace stargazer {
namespace {

// Field `number`, from 0, of a line that has so many, separated by single spaces.
std::string field_of(const std::string& line, int number) {
  std::size_t start = 0;
  for (; number > 0; --number) start = line.find(' ', start) + 1;
  return line.substr(start, line.find(' ', start) - start);
}

// proc(5), mountinfo: the fifth field is where, the first after " - " is what.
std::vector<std::string> cgroup2_mounts() {
  std::vector<std::string> places;
  for (const std::string& line : lines_of("/proc/self/mountinfo")) {
    if (line.find(" - cgroup2 ") != std::string::npos) places.push_back(field_of(line, 4));
  }
  return places;
}

// cgroups(7): the line of version 2 is "0::PATH".
std::string own_path() {
  for (const std::string& line : lines_of("/proc/self/cgroup")) {
    if (line.starts_with("0::/")) return line.substr(3);
  }
  return "";
}

// The path may be of another namespace than the mount, so only the list of members can be believed.
bool is_in(const std::string& directory) {
  const std::vector<std::string> members = lines_of(directory + "/cgroup.procs");
  return std::find(members.begin(), members.end(), std::to_string(getpid())) != members.end();
}

bool marked_as_delegated(const std::string& directory) {
  char value = 0;
  return getxattr(directory.c_str(), "user.delegate", &value, 1) == 1 && value == '1';
}

}  // namespace

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  FILE* const file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return lines;
  char* line = nullptr;
  std::size_t size = 0;
  for (ssize_t length = getline(&line, &size, file); length > 0; length = getline(&line, &size, file)) {
    const bool ended = line[length - 1] == '\n';
    lines.emplace_back(line, static_cast<std::size_t>(ended ? length - 1 : length));
  }
  std::free(line);
  std::fclose(file);
  return lines;
}

Result<std::string> delegated_cgroup() {
  const std::string path = own_path();
  if (path.empty()) return Error("this process is in no group of cgroup2");
  for (const std::string& mount : cgroup2_mounts()) {
    const std::string directory = path == "/" ? mount : mount + path;
    if (!is_in(directory)) continue;
    if (marked_as_delegated(directory)) return directory;
    if (geteuid() != 0 && access(directory.c_str(), W_OK) == 0) return directory;
    return Error(directory + " is not delegated to this process");
  }
  return Error("cgroup2 is not mounted");
}

}  // namespace stargazer
