#include "feed/journal_json.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <numeric>

namespace stargazer {
namespace {

// A byte as a decimal number and a comma; the longest form that a byte of a value can take.
constexpr std::size_t kBytesPerByteMax = 4;

// The smallest code of a character of so many bytes; a smaller one is in a form that is too long.
constexpr std::array<char32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};

// How many bytes a character has by its first one; 0 when no character starts so.
std::size_t length_from(unsigned char first) {
  if (first < 0x80) return 1;
  if (first < 0xC0) return 0;
  if (first < 0xE0) return 2;
  if (first < 0xF0) return 3;
  return first < 0xF8 ? 4 : 0;
}

bool is_control(char32_t code) {
  return (code < 0x20 && code != '\t' && code != '\n') || (code >= 0x7F && code <= 0x9F);
}

bool is_assigned_to_text(char32_t code) {
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  const bool non_character = (code >= 0xFDD0 && code <= 0xFDEF) || (code & 0xFFFE) == 0xFFFE;
  return code <= 0x10FFFF && !surrogate && !non_character;
}

// How many bytes the character at the front of `bytes` has; 0 when it is none that text may have. REQUIRES: not empty.
std::size_t character_bytes(std::string_view bytes) {
  const auto first = static_cast<unsigned char>(bytes[0]);
  const std::size_t length = length_from(first);
  if (length == 0 || length > bytes.size()) return 0;
  char32_t code = length == 1 ? first : first & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if ((byte & 0xC0) != 0x80) return 0;
    code = (code << 6) | (byte & 0x3FU);
  }
  return code < kSmallest[length] || is_control(code) || !is_assigned_to_text(code) ? 0 : length;
}

// Nearly all of what is logged is printable ASCII without quotation marks and backslashes, which stands in JSON as it
// is. The compiler makes one instruction of each of these lines where the processor has vectors of bytes.
template <std::size_t Bytes>
struct Block {
  using Vector [[gnu::vector_size(Bytes)]] = signed char;
  using Words = std::array<std::uint64_t, Bytes / sizeof(std::uint64_t)>;

  // Copies Bytes bytes and returns how many of them, from the first on, are such.
  static std::size_t copy(char* to, const char* from) {
    Vector bytes;
    std::memcpy(&bytes, from, Bytes);
    std::memcpy(to, &bytes, Bytes);
    // Bytes from 0x80 on are negative.
    const Vector odd = (bytes < 0x20) | (bytes == '"') | (bytes == '\\') | (bytes == 0x7F);
    const auto words = std::bit_cast<Words>(odd);
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (words[i] != 0) return i * sizeof words[i] + plain_of(words[i]);
    }
    return Bytes;
  }

 private:
  static std::size_t plain_of(std::uint64_t odd) {
    const int zeros = std::endian::native == std::endian::little ? std::countr_zero(odd) : std::countl_zero(odd);
    return static_cast<std::size_t>(zeros) / 8;
  }
};

// One character that may need more than a copy. Returns how many bytes it has, 0 when it is not text.
std::size_t write_character(char*& to, std::string_view rest) {
  const auto first = static_cast<unsigned char>(rest[0]);
  if (first >= 0x80) {
    const std::size_t bytes = character_bytes(rest);
    std::memcpy(to, rest.data(), bytes);
    to += bytes;
    return bytes;
  }
  if (is_control(first)) return 0;
  const bool escaped = first == '"' || first == '\\' || first < 0x20;
  if (escaped) *to++ = '\\';
  *to++ = first == '\n' ? 'n' : first == '\t' ? 't' : rest[0];
  return 1;
}

// Null when `text` is not text.
char* write_json_text(char* to, std::string_view text) {
  const char* from = text.data();
  const char* const end = from + text.size();
  *to++ = '"';
  while (from != end) {
    const auto left = static_cast<std::size_t>(end - from);
    std::size_t plain = 0;
    std::size_t looked_at = 0;
    if (left >= 16) {
      plain = Block<16>::copy(to, from);
      looked_at = 16;
    } else if (left >= 8) {
      plain = Block<8>::copy(to, from);
      looked_at = 8;
    }
    from += plain;
    to += plain;
    if (looked_at != 0 && plain == looked_at) continue;
    const std::size_t bytes = write_character(to, {from, static_cast<std::size_t>(end - from)});
    if (bytes == 0) return nullptr;
    from += bytes;
  }
  *to++ = '"';
  return to;
}

struct Decimal {
  std::array<char, kBytesPerByteMax> text;
  std::uint8_t bytes;
};

// "0," to "255,".
constexpr std::array<Decimal, 256> decimals() {
  std::array<Decimal, 256> table{};
  for (std::size_t value = 0; value < table.size(); ++value) {
    Decimal& decimal = table[value];
    for (std::size_t place = 100; place > 0; place /= 10) {
      if (value >= place || place == 1) {
        decimal.text[decimal.bytes++] = static_cast<char>('0' + value / place % 10);
      }
    }
    decimal.text[decimal.bytes++] = ',';
  }
  return table;
}

constexpr std::array<Decimal, 256> kDecimals = decimals();

// REQUIRES: bytes is not empty, since nothing at all is text.
char* write_json_bytes(char* to, std::string_view bytes) {
  *to++ = '[';
  for (const char byte : bytes) {
    const Decimal& decimal = kDecimals[static_cast<unsigned char>(byte)];
    std::memcpy(to, decimal.text.data(), decimal.text.size());
    to += decimal.bytes;
  }
  to[-1] = ']';
  return to;
}

}  // namespace

bool is_journal_text(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t length = character_bytes(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

bool is_field_name(std::string_view name) {
  const auto allowed = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && name.size() <= kFieldNameBytesMax && !(name[0] >= '0' && name[0] <= '9') &&
         std::all_of(name.begin(), name.end(), allowed);
}

char* write_json_value(char* to, std::size_t name_bytes, std::string_view value) {
  constexpr std::string_view kNull = "null";
  if (name_bytes + 1 + value.size() >= kThresholdBytes) {
    std::memcpy(to, kNull.data(), kNull.size());
    return to + kNull.size();
  }
  char* const end = write_json_text(to, value);
  return end != nullptr ? end : write_json_bytes(to, value);
}

void JournalObject::clear() {
  text_.clear();
  fields_.clear();
  bytes_max_ = 2;
}

void JournalObject::add(std::string_view name, std::string_view value) {
  if (!is_field_name(name)) return;
  // A longer value is written as null whatever it is, so its bytes need not be kept.
  const std::string_view kept = value.substr(0, kThresholdBytes);
  fields_.push_back({text_.size(), name.size(), kept.size(), 0, false});
  text_ += name;
  text_ += kept;
  bytes_max_ += name.size() + kept.size() * kBytesPerByteMax + sizeof("\"\":[null],");
}

void JournalObject::append_to(OutBuffer& out, std::size_t limit_bytes) {
  std::stable_sort(fields_.begin(), fields_.end(),
                   [this](const Field& left, const Field& right) { return name_of(left) < name_of(right); });
  const std::size_t begin = out.size();
  append_members(out, "");
  const std::size_t written_bytes = out.size() - begin;
  if (written_bytes <= limit_bytes) return;
  out.truncate(begin);
  append_members(out, cut_to(limit_bytes, written_bytes));
}

void JournalObject::append_members(OutBuffer& out, std::string_view truncated) const {
  out.append("{");
  for (std::size_t first = 0; first < fields_.size();) {
    const std::size_t end = end_of_name(first);
    if (first != 0) out.append(",");
    append_member(out, first, end);
    first = end;
  }
  if (!truncated.empty()) {
    out.append(",\"");
    out.append(kTruncatedName);
    out.append("\":\"");
    out.append(truncated);
    out.append("\"");
  }
  out.append("}");
}

std::size_t JournalObject::end_of_name(std::size_t first) const {
  std::size_t end = first + 1;
  while (end < fields_.size() && name_of(fields_[end]) == name_of(fields_[first])) ++end;
  return end;
}

void JournalObject::append_value(OutBuffer& out, const Field& field) const {
  if (field.cut) return out.append("null");
  out.commit(write_json_value(out.room(kValueRoomBytes), field.name_bytes, value_of(field)));
}

void JournalObject::append_member(OutBuffer& out, std::size_t first, std::size_t end) const {
  const std::string_view name = name_of(fields_[first]);
  const bool repeated = end - first > 1;
  out.append("\"");
  out.append(name);
  out.append(repeated ? "\":[" : "\":");
  for (std::size_t i = first; i < end; ++i) {
    if (i != first) out.append(",");
    append_value(out, fields_[i]);
  }
  if (repeated) out.append("]");
}

// Marks the largest values until the rest fits, and returns the names of their fields.
std::string JournalObject::cut_to(std::size_t limit_bytes, std::size_t written_bytes) {
  constexpr std::size_t kNullBytes = 4;
  std::vector<std::size_t> order(fields_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  OutBuffer scratch;
  for (Field& field : fields_) {
    scratch.truncate(0);
    append_value(scratch, field);
    field.json_bytes = scratch.size();
  }
  std::stable_sort(order.begin(), order.end(), [this](std::size_t left, std::size_t right) {
    return fields_[left].json_bytes > fields_[right].json_bytes;
  });
  std::string names;
  std::size_t bytes = written_bytes + sizeof(",\"\":\"\"") + kTruncatedName.size();
  for (const std::size_t index : order) {
    Field& field = fields_[index];
    if (bytes <= limit_bytes || field.json_bytes <= kNullBytes) break;
    const std::string_view name = name_of(field);
    if (name.starts_with("__")) continue;
    field.cut = true;
    bytes -= field.json_bytes - kNullBytes;
    const bool named = (',' + names + ',').find(',' + std::string(name) + ',') != std::string::npos;
    if (named) continue;
    if (!names.empty()) names += ',';
    names += name;
    bytes += name.size() + 1;
  }
  return names;
}

}  // namespace stargazer
