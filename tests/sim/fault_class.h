// The fault classes of LEASE.md section 3.8: each fault alone and frequent, on top of the same noise, with the lease's
// default times, and the shipped core between them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/options.h"

namespace stargazer::sim {

struct FaultClass {
  const char* name;
  const char* what;  // the frequencies, for a person
  void (*set)(Faults& faults);
  Duration recovery_max;                 // Options::recovery_max
  std::optional<double> idle_max;        // part of the run without active workers, as LEASE.md 3.8 has it for P4
  std::optional<double> gap_median_max;  // of the stretches without active workers, in seconds, likewise
  std::optional<double> gap_p99_max;
};

const std::vector<FaultClass>& fault_classes();
// Null for an unknown name.
const FaultClass* fault_class_named(const std::string& name);

// A run of this class.
Options class_options(const FaultClass& fault_class, std::uint64_t seed, const Broken& broken);

}  // namespace stargazer::sim
