// The header of any file: its damage, or numbers; never a read beyond its bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "feed/journal_files.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  stargazer::JournalFile file;
  stargazer::read_journal_header({reinterpret_cast<const char*>(data), size}, size, file);
  if (!file.damage.empty() && file.entries != 0) std::abort();
  if (file.entries > 0 && !stargazer::Cursor::parse(file.tail().text()).ok()) std::abort();
  return 0;
}
