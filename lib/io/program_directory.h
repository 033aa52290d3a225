// Where the running program lies: in a build tree what belongs to it lies beside it.
#pragma once

#include <string>

namespace stargazer {

// "" when the kernel does not say.
std::string directory_of_this_program();

}  // namespace stargazer
