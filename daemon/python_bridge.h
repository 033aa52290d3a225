// Where the Python bridge lies: the programs that run `python = "module:function"`.
#pragma once

#include <string>
#include <vector>

#include "core/config.h"

namespace stargazer {

// The places where it may lie: beside this program (a build tree), then where it is installed.
std::vector<std::string> bridge_places();

// Its first file that is there; "" when there is none.
std::string find_bridge(const std::vector<std::string>& places = bridge_places());

// Why Python jobs cannot be run; "" when they can.
std::string python_obstacle(const Config& config);

// REQUIRES: python_obstacle is "".
std::vector<std::string> python_argv(const PythonConfig& python);

}  // namespace stargazer
