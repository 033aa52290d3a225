// Finds out, by doing it, in which way stargazer-keeper can end a worker with all its descendants here.
#pragma once

#include <string>

#include "core/result.h"

namespace stargazer::keeper {

struct Probed {
  std::string mode;      // the first argument of a keeper, see io/keeper_protocol.h
  std::string weakness;  // why it is not a stronger one; "" for the strongest
};

// Also ends what keepers that died left behind. REQUIRES: this process has one thread and no child; it must not start
// any afterwards, for it would be in a PID namespace.
Probed probe();

// The control group of cgroup2 that this process is in, if it is ours to divide: systemd says so (Delegate=) by the
// attribute user.delegate, others by giving it to a user that is not root. Root may write every group, and that says
// nothing.
Result<std::string> delegated_cgroup();

}  // namespace stargazer::keeper
