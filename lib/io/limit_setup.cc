#include "io/limit_setup.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <string_view>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/delegated_cgroup.h"
#include "io/run_cgroup.h"
#include "io/system_error.h"

namespace stargazer {
namespace {

constexpr const char* kDaemonGroup = "/stargazer-daemon";

Status move_into_group_of_its_own(const std::string& directory) {
  const std::string path = directory + kDaemonGroup;
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return system_error(path, errno);
  return RunCgroup(path).enter();
}

bool has_word(const std::vector<std::string>& lines, const std::string& word) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return (" " + line + " ").find(" " + word + " ") != line.npos; });
}

// Hands one controller on to the groups below. Adds to `obstacle` why that cannot be.
bool hand_on(const std::string& directory, const std::string& controller, std::string& obstacle) {
  const auto missing = [&](const std::string& why) {
    obstacle.append(obstacle.empty() ? "" : "; ").append("no controller ").append(controller).append(": ").append(why);
    return false;
  };
  if (!has_word(lines_of(directory + "/cgroup.controllers"), controller)) return missing("it is not delegated");
  const std::string control = directory + "/cgroup.subtree_control";
  if (Status done = write_file(control, "+" + controller); !done.ok()) return missing(done.error().message());
  return true;
}

// A process without the right to it may only become nicer, or as far as its RLIMIT_NICE goes.
bool may_be_nicer_by(std::int32_t nice) {
  const int now = getpriority(PRIO_PROCESS, 0);
  if (setpriority(PRIO_PROCESS, 0, now + nice) != 0) return false;
  setpriority(PRIO_PROCESS, 0, now);
  return true;
}

void add_to(std::string& text, const std::string& part) {
  text.append(text.empty() ? "" : ", ").append(part);
}

}  // namespace

LimitSetup set_up_limits(const KeeperSetup& keeper) {
  LimitSetup setup;
  setup.helper = keeper.path;
  setup.helper_obstacle = keeper.obstacle;
  Result<std::string> directory = delegated_cgroup();
  if (!directory.ok()) {
    setup.obstacle = directory.error().message();
    return setup;
  }
  end_stale_run_cgroups(*directory);
  if (Status moved = move_into_group_of_its_own(*directory); !moved.ok()) {
    setup.obstacle = moved.error().message();
    return setup;
  }
  setup.directory = *directory;
  setup.memory = hand_on(*directory, "memory", setup.obstacle);
  setup.processes = hand_on(*directory, "pids", setup.obstacle);
  setup.cpu = hand_on(*directory, "cpu", setup.obstacle);
  return setup;
}

std::string unenforced_text(const LimitSetup& setup, const Limits& wanted) {
  std::string text;
  if (wanted.memory_max_bytes != 0 && !setup.memory) add_to(text, "memory_max is looked at ten times a second");
  if (wanted.processes_max != 0 && !setup.processes) add_to(text, "processes_max is looked at ten times a second");
  if (wanted.cpu_weight != 0 && !setup.cpu) add_to(text, "cpu_weight has no effect");
  if (wanted.nice < 0 && !may_be_nicer_by(wanted.nice))
    add_to(text, "nice " + std::to_string(wanted.nice) + " has no effect without CAP_SYS_NICE");
  return text;
}

}  // namespace stargazer
