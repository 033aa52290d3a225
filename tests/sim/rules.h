// What each rule of the lease is for: the same fault classes with one rule switched off, and the violation that then
// must be found. Shows that the simulator can see, and that no rule is dead weight.
#pragma once

#include <string>

#include "sim/class_run.h"

namespace stargazer::sim {

// Switches the named rule off; false for an unknown name.
bool switch_off(const std::string& rule, Broken& broken);
// "count_from_sending, …", for the usage.
std::string rule_names();

// Tries every rule in the classes where it matters, up to so many seeds each, and prints a line each. False when one
// was not missed.
bool run_rules(std::uint64_t seeds);

// Prints what is found in a class with these rules off.
void print_findings(const FaultClass& fault_class, Seeds seeds, const Broken& broken);

}  // namespace stargazer::sim
