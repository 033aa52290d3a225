// Any bytes as a journal file: what is found has the number that was asked for, and fields lie within the file.
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string_view>

#include "feed/journal_image.h"

namespace {

using stargazer::JournalImage;

bool is_within(std::string_view part, std::string_view whole) {
  const std::less_equal<const char*> before;
  return before(whole.data(), part.data()) && before(part.data() + part.size(), whole.data() + whole.size());
}

void read(const JournalImage& image, std::string_view file, std::uint64_t seqnum, JournalImage::Place& place) {
  auto entry = image.find(seqnum, place);
  if (!entry) return;
  if (entry->cursor.seqnum != seqnum || !is_within(entry->items, file)) std::abort();
  while (!entry->items.empty()) {
    const auto field = image.take_field(entry->items);
    if (!field) return;
    if (field->empty() || !is_within(*field, file)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kNumbers = 12;
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  const JournalImage image(file);
  if (!image.is_known()) return 0;
  static_cast<void>(image.file_bytes());
  JournalImage::Place place;
  for (std::uint64_t seqnum = 0; seqnum < kNumbers; ++seqnum) read(image, file, seqnum, place);
  for (std::uint64_t seqnum = kNumbers; seqnum-- > 0;) read(image, file, seqnum, place);
  // From the list's begin to its end.
  JournalImage::Place begin;
  read(image, file, ~std::uint64_t{0}, begin);
  return 0;
}
