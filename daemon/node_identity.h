// What names this start of the daemon.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/config.h"

namespace stargazer {

// From the kernel.
std::uint64_t random_number();

// The lowest `digits` digits of a number, at most 16.
std::string hex(std::uint64_t number, std::size_t digits);

// LEASE.md rule 2: a holder's id is unique to one start of one process.
std::string node_id(const NodeConfig& config);

}  // namespace stargazer
