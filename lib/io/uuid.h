// Random names that nobody else makes.
#pragma once

#include <string>

namespace stargazer {

// A version 4 UUID from the kernel's random numbers: "f81d4fae-7dec-41d0-a765-00a0c91e6bf6".
std::string random_uuid();

}  // namespace stargazer
