// A text that is a duration is written in a form that reads back to within a millisecond; any other has a message.
#include <cstdlib>

#include "core/time.h"

using namespace stargazer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto duration = parse_duration({reinterpret_cast<const char*>(data), size});
  if (!duration) {
    if (duration.error().message().empty()) std::abort();
    return 0;
  }
  if (*duration < Duration::zero() || *duration > kDurationMax) std::abort();
  const auto again = parse_duration(format_duration(*duration));
  if (!again || std::chrono::abs(*again - *duration) > std::chrono::milliseconds(1)) std::abort();
  return 0;
}
