#include "feed/cursor.h"

#include <algorithm>
#include <charconv>

namespace stargazer {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::size_t kNumberDigitsMax = 16;

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

// Takes "NAME=…" up to the next ';' off the front; nothing when another name stands there.
std::optional<std::string_view> take(std::string_view& text, char name) {
  if (text.size() < 2 || text[0] != name || text[1] != '=') return {};
  const std::size_t end = std::min(text.find(';'), text.size());
  const std::string_view value = text.substr(2, end - 2);
  // A ';' must be followed by something.
  if (end + 1 == text.size()) return {};
  text.remove_prefix(std::min(end + 1, text.size()));
  return value;
}

bool read_number(std::optional<std::string_view> text, std::uint64_t& number) {
  if (!text || text->empty() || text->size() > kNumberDigitsMax || !is_hex(*text)) return false;
  std::from_chars(text->data(), text->data() + text->size(), number, 16);
  return true;
}

bool read_id(std::optional<std::string_view> text, JournalId& id) {
  if (!text || text->size() != 2 * id.size() || !is_hex(*text)) return false;
  for (std::size_t i = 0; i < id.size(); ++i) {
    std::from_chars(text->data() + 2 * i, text->data() + 2 * i + 2, id[i], 16);
  }
  return true;
}

std::string hex(std::uint64_t number) {
  std::array<char, kNumberDigitsMax> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return {digits.data(), end.ptr};
}

}  // namespace

std::string to_text(const JournalId& id) {
  std::string text;
  for (const std::uint8_t byte : id) text.append({kHex[byte >> 4U], kHex[byte & 0xFU]});
  return text;
}

Result<Cursor> Cursor::parse(std::string_view text) {
  Cursor cursor;
  const bool fits = text.size() <= kBytesMax;
  bool good = fits && read_id(take(text, 's'), cursor.seqnum_id) && read_number(take(text, 'i'), cursor.seqnum) &&
              read_id(take(text, 'b'), cursor.boot) && read_number(take(text, 'm'), cursor.monotonic_usec) &&
              read_number(take(text, 't'), cursor.realtime_usec);
  if (good && !text.empty()) good = read_number(take(text, 'x'), cursor.xor_hash.emplace()) && text.empty();
  if (!good) return Error("is not the cursor of a journal entry");
  return cursor;
}

std::uint64_t Cursor::monotonic_usec_of(std::string_view text) {
  constexpr std::string_view kMark = ";m=";
  const std::size_t mark = text.find(kMark);
  std::uint64_t usec = 0;
  if (mark != std::string_view::npos) {
    std::from_chars(text.data() + mark + kMark.size(), text.data() + text.size(), usec, 16);
  }
  return usec;
}

std::string Cursor::text() const {
  const std::string place = "s=" + to_text(seqnum_id) + ";i=" + hex(seqnum) + ";b=" + to_text(boot) +
                            ";m=" + hex(monotonic_usec) + ";t=" + hex(realtime_usec);
  return xor_hash ? place + ";x=" + hex(*xor_hash) : place;
}

bool Cursor::same_entry(const Cursor& other) const {
  const bool is_place = !xor_hash || !other.xor_hash;
  if (seqnum_id == other.seqnum_id) {
    return seqnum == other.seqnum && (is_place || realtime_usec == other.realtime_usec);
  }
  const bool same_x = is_place || *xor_hash == *other.xor_hash;
  return boot == other.boot && monotonic_usec == other.monotonic_usec && realtime_usec == other.realtime_usec && same_x;
}

bool Cursor::is_after(const Cursor& other) const {
  if (seqnum_id == other.seqnum_id) return seqnum > other.seqnum;
  if (boot == other.boot) return monotonic_usec > other.monotonic_usec;
  return realtime_usec > other.realtime_usec;
}

}  // namespace stargazer
