// What this machine lets the daemon do about the limits of its runs (core/limits.h), found out once at its start.
#pragma once

#include <string>
#include <vector>

#include "core/limits.h"
#include "io/keeper.h"

namespace stargazer {

struct LimitSetup {
  std::string helper;           // the program stargazer-keeper; "" = limited runs cannot be started
  std::string helper_obstacle;  // why, then
  std::string directory;        // of cgroup2, for the groups of runs; "" = there is none
  bool memory = false;          // whether its groups have that controller
  bool processes = false;
  bool cpu = false;
  std::string obstacle;  // why one of these is missing; "" = none is
};

// Where cgroup2 is delegated to this process: moves it into a group of its own below that, stargazer-daemon, since only
// a group without processes may hand its controllers on, and hands on memory, pids and cpu. Also ends what the runs of
// a daemon that died left behind. REQUIRES: this process has no child.
LimitSetup set_up_limits(const KeeperSetup& keeper);

// What of `wanted`, the limits of one task or worker, is not enforced by the kernel here, in a few words; "" = nothing.
std::string unenforced_text(const LimitSetup& setup, const Limits& wanted);

}  // namespace stargazer
