#include "config/document.h"

#include <algorithm>
#include <array>

namespace stargazer {
namespace {

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

// The length of the valid sequence at the start of `rest`, or 0. REQUIRES: not empty.
std::size_t sequence_length(std::string_view rest) {
  const auto byte = [&](std::size_t place) { return static_cast<unsigned char>(rest[place]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || rest.size() < length) return 0;
  for (std::size_t place = 1; place < length; ++place) {
    if (!is_continuation(rest[place])) return 0;
  }
  const unsigned second = byte(1);
  const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  const bool surrogate = lead == 0xED && second > 0x9F;
  const bool too_large = lead == 0xF4 && second > 0x8F;
  return overlong || surrogate || too_large ? 0 : length;
}

}  // namespace

const char* kind_name(const Node& node) {
  constexpr std::array<const char*, std::variant_size_v<decltype(Node::value)>> kNames{
      "", "a boolean", "an integer", "a float", "a string", "an array", "a table"};
  if (const auto* foreign = std::get_if<Foreign>(&node.value)) return foreign->what;
  return kNames[node.value.index()];
}

Position PositionFinder::at(std::size_t offset) {
  const std::size_t end = std::min(offset, text_.size());
  for (; offset_ < end; ++offset_) {
    if (text_[offset_] == '\n') {
      ++position_.line;
      position_.column = 1;
    } else if (!is_continuation(text_[offset_])) {
      ++position_.column;
    }
  }
  // Inside a sequence the column has already moved past its first byte.
  if (offset_ < text_.size() && is_continuation(text_[offset_]) && position_.column > 1) {
    return {position_.line, position_.column - 1};
  }
  return position_;
}

std::size_t valid_utf8_length(std::string_view text) {
  std::size_t offset = 0;
  while (offset < text.size()) {
    const std::size_t length = sequence_length(text.substr(offset));
    if (length == 0) break;
    offset += length;
  }
  return offset;
}

ParsedDocument parse_document(std::string_view text, ConfigFormat format) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (const std::size_t valid = valid_utf8_length(text); valid != text.size()) {
    return SyntaxProblem{PositionFinder(text.substr(0, valid)).at(valid), "not UTF-8, the only encoding allowed"};
  }
  return format == ConfigFormat::kToml ? parse_toml(text) : parse_json(text);
}

}  // namespace stargazer
