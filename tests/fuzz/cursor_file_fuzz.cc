// A damaged or hostile cursor file: an error, or a position that is written and read back as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "feed/cursor.h"
#include "feed/cursor_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stargazer;
  const auto content = CursorFile::parse({reinterpret_cast<const char*>(data), size});
  if (!content.ok()) return content.error().message().empty() ? std::abort(), 0 : 0;
  if (!Cursor::parse(content->saved.cursor).ok()) std::abort();
  const auto again = CursorFile::parse(CursorFile::render(*content));
  if (!again.ok() || !(*again == *content)) std::abort();
  return 0;
}
