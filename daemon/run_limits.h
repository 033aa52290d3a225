// The limits of a configuration's runs, as far as this machine lets the daemon enforce them.
#pragma once

#include <functional>
#include <string>

#include "core/config.h"
#include "io/keeper.h"
#include "io/limit_setup.h"
#include "io/log.h"

namespace stargazer {

// Whether any task or supervised worker that is enabled has a limit.
bool has_limits(const Config& config);

// Sets up what the limits of `config` need and says once how they are enforced, and by name which are not and of whom.
// Without any limit: nothing. REQUIRES: as set_up_limits.
LimitSetup set_up_limits_of(const Config& config, const KeeperSetup& keeper,
                            const std::function<void(Priority, std::string)>& say);

}  // namespace stargazer
