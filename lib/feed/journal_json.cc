#include "feed/journal_json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace stargazer {
namespace {

constexpr std::size_t kNameBytesMax = 64;

// A byte as a decimal number and a comma; the longest form that a byte of a value can take.
constexpr std::size_t kBytesPerByteMax = 4;

// The smallest code of a character of so many bytes; a smaller one is in a form that is too long.
constexpr std::array<char32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};

struct Character {
  char32_t code = 0;
  std::size_t bytes = 0;  // 0: not UTF-8
};

// How many bytes a character has by its first one; 0 when no character starts so.
std::size_t length_from(unsigned char first) {
  if (first < 0x80) return 1;
  if (first < 0xC0) return 0;
  if (first < 0xE0) return 2;
  if (first < 0xF0) return 3;
  return first < 0xF8 ? 4 : 0;
}

// The first character of `bytes`. REQUIRES: not empty.
Character decode(std::string_view bytes) {
  const auto first = static_cast<unsigned char>(bytes[0]);
  const std::size_t length = length_from(first);
  if (length == 0 || length > bytes.size()) return {};
  if (length == 1) return {first, 1};
  char32_t code = first & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if ((byte & 0xC0) != 0x80) return {};
    code = (code << 6) | (byte & 0x3FU);
  }
  return code < kSmallest[length] ? Character{} : Character{code, length};
}

bool is_control(char32_t code) {
  return (code < 0x20 && code != '\t' && code != '\n') || (code >= 0x7F && code <= 0x9F);
}

bool is_assigned_to_text(char32_t code) {
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  const bool non_character = (code >= 0xFDD0 && code <= 0xFDEF) || (code & 0xFFFE) == 0xFFFE;
  return code <= 0x10FFFF && !surrogate && !non_character;
}

bool is_field_name(std::string_view name) {
  const auto allowed = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && name.size() <= kNameBytesMax && !(name[0] >= '0' && name[0] <= '9') &&
         std::all_of(name.begin(), name.end(), allowed);
}

void append_json_bytes(std::string& out, std::string_view bytes) {
  out += '[';
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i != 0) out += ',';
    std::array<char, 3> digits{};
    const auto [end, error] =
        std::to_chars(digits.begin(), digits.end(), static_cast<unsigned>(static_cast<unsigned char>(bytes[i])));
    out.append(digits.begin(), end);
  }
  out += ']';
}

}  // namespace

bool is_journal_text(std::string_view bytes) {
  while (!bytes.empty()) {
    const Character character = decode(bytes);
    if (character.bytes == 0 || is_control(character.code) || !is_assigned_to_text(character.code)) return false;
    bytes.remove_prefix(character.bytes);
  }
  return true;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t special = text.find_first_of("\"\\\n\t"); special != std::string_view::npos;
       special = text.find_first_of("\"\\\n\t")) {
    out += text.substr(0, special);
    out += '\\';
    const char c = text[special];
    out += c == '\n' ? 'n' : c == '\t' ? 't' : c;
    text.remove_prefix(special + 1);
  }
  out += text;
  out += '"';
}

void append_json_value(std::string& out, std::string_view name, std::string_view value) {
  if (name.size() + 1 + value.size() >= JournalObject::kThresholdBytes) {
    out += "null";
  } else if (is_journal_text(value)) {
    append_json_string(out, value);
  } else {
    append_json_bytes(out, value);
  }
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
  fields_.push_back({text_.size(), name.size(), kept.size()});
  text_ += name;
  text_ += kept;
  bytes_max_ += name.size() + kept.size() * kBytesPerByteMax + sizeof("\"\":[null],");
}

void JournalObject::append_to(std::string& out) {
  std::stable_sort(fields_.begin(), fields_.end(),
                   [this](const Field& left, const Field& right) { return name_of(left) < name_of(right); });
  out += '{';
  for (std::size_t first = 0; first < fields_.size();) {
    const std::size_t end = end_of_name(first);
    if (first != 0) out += ',';
    append_member(out, first, end);
    first = end;
  }
  out += '}';
}

std::size_t JournalObject::end_of_name(std::size_t first) const {
  std::size_t end = first + 1;
  while (end < fields_.size() && name_of(fields_[end]) == name_of(fields_[first])) ++end;
  return end;
}

void JournalObject::append_member(std::string& out, std::size_t first, std::size_t end) const {
  const std::string_view name = name_of(fields_[first]);
  const bool repeated = end - first > 1;
  append_json_string(out, name);
  out += repeated ? ":[" : ":";
  for (std::size_t i = first; i < end; ++i) {
    if (i != first) out += ',';
    append_json_value(out, name, value_of(fields_[i]));
  }
  if (repeated) out += ']';
}

}  // namespace stargazer
