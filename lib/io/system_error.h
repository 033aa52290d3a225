// errno as an Error: "context: No such file or directory".
#pragma once

#include <string_view>
#include <system_error>

#include "core/result.h"

namespace stargazer {

inline Error system_error(std::string_view context, int error_number) {
  return Error(std::generic_category().message(error_number)).in(context);
}

}  // namespace stargazer
