// Any bytes: an error, or a cursor whose own text reads as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "feed/cursor.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using stargazer::Cursor;
  const auto cursor = Cursor::parse({reinterpret_cast<const char*>(data), size});
  if (!cursor.ok()) return cursor.error().message().empty() ? std::abort(), 0 : 0;
  if (size > Cursor::kBytesMax) std::abort();
  const auto again = Cursor::parse(cursor->text());
  if (!again.ok() || !(*again == *cursor)) std::abort();
  if (!cursor->same_entry(*cursor) || cursor->is_after(*cursor)) std::abort();
  return 0;
}
