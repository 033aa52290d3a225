// A configuration file as a tree whose every part knows where it stands, the same for TOML and JSON.
//
// The parser libraries stay behind parse_document: nothing else includes them, and nothing else has to know how they
// count lines or what they do with hostile input.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config_reader.h"

namespace stargazer {

// Both count from 1; a column is a code point, not a byte.
struct Position {
  std::uint32_t line = 1;
  std::uint32_t column = 1;

  auto operator<=>(const Position&) const = default;  // NOLINT(modernize-use-nullptr): of clang-tidy 14
};

// A value that a format has and a configuration does not: what it is, for a message.
struct Foreign {
  const char* what = "nothing";
};

struct Node;
struct Entry;

using Array = std::vector<Node>;
// In the order of the file. JSON may give a key twice; it is the reader who refuses that, with both places.
using Table = std::vector<Entry>;

struct Node {
  Position at;
  std::variant<Foreign, bool, std::int64_t, double, std::string, Array, Table> value;
};

struct Entry {
  std::string key;
  Position at;
  Node value;
};

// "a table", "an integer", …: for messages.
const char* kind_name(const Node& node);

// Why a text is no document. Never repeats a value of the text, which may be a secret.
struct SyntaxProblem {
  Position at;
  std::string problem;
};

using ParsedDocument = std::variant<Table, SyntaxProblem>;

// Tables and arrays may lie this deep in one another; what a configuration needs is four.
inline constexpr std::size_t kDocumentDepthMax = 32;

// Reads a text of either format. A byte order mark is skipped. Fails on what is not UTF-8, on a syntax error and on a
// tree deeper than kDocumentDepthMax.
ParsedDocument parse_document(std::string_view text, ConfigFormat format);

// The two parsers behind it. REQUIRES: `text` is valid UTF-8 without a byte order mark.
ParsedDocument parse_toml(std::string_view text);
ParsedDocument parse_json(std::string_view text);

// Turns byte offsets into positions, in one pass over the text.
class PositionFinder {
 public:
  explicit PositionFinder(std::string_view text) : text_(text) {}

  // An offset behind the end counts as the end. REQUIRES: not less than the offset before.
  Position at(std::size_t offset);

 private:
  std::string_view text_;
  std::size_t offset_ = 0;
  Position position_;
};

// The length of the longest prefix of `text` that is valid UTF-8 (no overlong form, no surrogate).
std::size_t valid_utf8_length(std::string_view text);

}  // namespace stargazer
