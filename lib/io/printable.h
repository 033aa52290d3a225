// Text from outside, made safe for a log line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace stargazer {

// At most `bytes_max` bytes of `text`, "…" added when that cut it, with every byte that is not printable ASCII written
// as "\xNN" (not counted in the limit). A reply of a hostile server can then neither flood a log nor forge a line of
// it.
std::string printable(std::string_view text, std::size_t bytes_max);

}  // namespace stargazer
