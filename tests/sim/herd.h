// I8 of LEASE.md section 3.9: many nodes while Redis is away and when it comes back.
#pragma once

#include <cstdint>

namespace stargazer::sim {

// 50 nodes; Redis goes away for ten minutes and comes back with its data. Prints how many requests there are, how they
// are spread, and who leads; false when a bound is broken.
bool run_herd(std::uint64_t seed);

}  // namespace stargazer::sim
