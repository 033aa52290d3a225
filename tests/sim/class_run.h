// Many seeds of a fault class, summed up.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "sim/fault_class.h"
#include "sim/findings.h"

namespace stargazer::sim {

struct Seeds {
  std::uint64_t first = 1;
  std::uint64_t last = 1;
};

struct ClassResult {
  std::uint64_t seeds = 0;
  std::uint64_t overlapping_seeds = 0;
  Duration longest_overlap{};
  double idle = 0;             // part of the time without active workers, start included
  std::vector<Duration> gaps;  // stretches of it after the first workers, by length
  std::array<std::uint64_t, kInvariantCount> findings{};
  std::array<std::uint64_t, kInvariantCount> first_seed_with{};  // 0: none
  std::uint64_t violating_seed = 0;                              // 0: none
  double requests_per_second = 0;                                // of a node

  std::uint64_t found(Invariant invariant) const { return findings[static_cast<std::size_t>(invariant)]; }
  std::uint64_t first_seed(Invariant invariant) const { return first_seed_with[static_cast<std::size_t>(invariant)]; }
  // Of the gaps; zero without any.
  Duration gap_quantile(double part) const;
};

// Stops at the first violation, which is then shown.
ClassResult run_class(const FaultClass& fault_class, Seeds seeds, const Broken& broken);

// Runs every class, or the one of this name, and prints the table beside that of LEASE.md section 3.8. False when one
// of them was violated, or its time without active workers is above what LEASE.md found.
bool run_classes(const std::string& name, Seeds seeds);

// Prints what the seed was and the end of its transcript.
void show_violation(const Options& options);

}  // namespace stargazer::sim
