// libsystemd reports failures as negative errno values.
#pragma once

#include <string_view>
#include <system_error>

#include "core/result.h"

namespace stargazer {

// "what: text of the error". REQUIRES: error < 0.
inline Error journal_error(std::string_view what, int error) {
  return Error(std::generic_category().message(-error)).in(what);
}

}  // namespace stargazer
