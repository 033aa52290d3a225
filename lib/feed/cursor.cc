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

char* write_text(char* to, std::string_view text) {
  return std::copy(text.begin(), text.end(), to);
}

char* write_hex(char* to, std::uint64_t number) {
  return std::to_chars(to, to + kNumberDigitsMax, number, 16).ptr;
}

char* write_id(char* to, const JournalId& id) {
  for (const std::uint8_t byte : id) {
    *to++ = kHex[byte >> 4U];
    *to++ = kHex[byte & 0xFU];
  }
  return to;
}

}  // namespace

std::string to_text(const JournalId& id) {
  std::string text(2 * id.size(), '0');
  write_id(text.data(), id);
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

std::string Cursor::text() const {
  std::array<char, kBytesMax> text;
  return {text.data(), write(text.data())};
}

std::size_t Cursor::write(char* to) const {
  char* end = write_id(write_text(to, "s="), seqnum_id);
  end = write_hex(write_text(end, ";i="), seqnum);
  end = write_id(write_text(end, ";b="), boot);
  end = write_hex(write_text(end, ";m="), monotonic_usec);
  end = write_hex(write_text(end, ";t="), realtime_usec);
  if (xor_hash) end = write_hex(write_text(end, ";x="), *xor_hash);
  return static_cast<std::size_t>(end - to);
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
