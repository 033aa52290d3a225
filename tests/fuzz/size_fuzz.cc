// A text that is a size is written in a form that reads back to the same number; any other has a message.
#include <cstdlib>

#include "core/limits.h"

using namespace stargazer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = parse_size({reinterpret_cast<const char*>(data), size});
  if (!bytes) {
    if (bytes.error().message().empty()) std::abort();
    return 0;
  }
  if (*bytes > kMemoryMaxMostBytes) std::abort();
  const auto again = parse_size(format_size(*bytes));
  if (!again || *again != *bytes) std::abort();
  return 0;
}
