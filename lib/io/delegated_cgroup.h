// The part of cgroup2 that this process may divide. By stdio and plain system calls: stargazer-keeper is linked with
// it.
#pragma once

#include <string>
#include <vector>

#include "core/result.h"

namespace stargazer {

// The lines of a file of the kernel's; none when it cannot be read.
std::vector<std::string> lines_of(const std::string& path);

// The control group of cgroup2 that this process is in, if it is ours to divide: systemd says so (Delegate=) by the
// attribute user.delegate, others by giving it to a user that is not root. Root may write every group, and that says
// nothing.
Result<std::string> delegated_cgroup();

}  // namespace stargazer
