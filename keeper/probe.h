// Finds out, by doing it, in which way stargazer-keeper can end a worker with all its descendants here.
#pragma once

#include <string>

namespace stargazer::keeper {

struct Probed {
  std::string mode;      // the first argument of a keeper, see io/keeper_protocol.h
  std::string weakness;  // why it is not a stronger one; "" for the strongest
};

// Also ends what keepers that died left behind. REQUIRES: this process has one thread and no child; it must not start
// any afterwards, for it would be in a PID namespace.
Probed probe();

}  // namespace stargazer::keeper
