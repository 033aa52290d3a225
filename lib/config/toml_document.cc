// The only file that includes toml++.
//
// Its assertions are off. Version 3.3 asserts on "[%" what it checks properly three lines further down, so that a typo
// would end the daemon; and with NDEBUG it promises the compiler the same instead, so that has to be off here, too.
// What the assertions leave uncaught is for the fuzz target config_toml to find.
#undef NDEBUG
#define TOML_ASSERT(expr) static_assert(true)
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 32
#include <algorithm>

#include <toml++/toml.h>

#include "config/document.h"

namespace stargazer {
namespace {

static_assert(TOML_MAX_NESTED_VALUES == kDocumentDepthMax);

// More parts than this in one dotted key are refused before toml++ sees them: it makes a table of each part, and
// recurses into it when it destroys the tree, so that one long key would overflow the stack.
constexpr std::size_t kKeyDotsMax = 15;

// Where the string that opens at `start` ends, as toml++ reads it; the text's end when it does not.
std::size_t end_of_string(std::string_view text, std::size_t start) {
  const char quote = text[start];
  const bool many_lines = text.substr(start, 3) == std::string_view(quote == '"' ? "\"\"\"" : "'''");
  std::size_t at = start + (many_lines ? 3 : 1);
  for (; at < text.size(); ++at) {
    if (text[at] == '\\' && quote == '"') {
      ++at;
    } else if (text[at] == '\n' && !many_lines) {
      return at;
    } else if (text[at] == quote) {
      if (!many_lines) return at + 1;
      if (text.substr(at, 3) != text.substr(start, 3)) continue;
      at += 3;
      // Up to two quotes may stand directly before the closing three.
      for (int extra = 0; extra < 2 && at < text.size() && text[at] == quote; ++extra) ++at;
      return at;
    }
  }
  return text.size();
}

// The offset of the dot that makes a key too long, or the text's size when there is none.
std::size_t find_too_long_key(std::string_view text) {
  std::size_t dots = 0;
  for (std::size_t at = 0; at < text.size();) {
    switch (text[at]) {
      case '"':
      case '\'': at = end_of_string(text, at); continue;
      case '#': at = std::min(text.find('\n', at), text.size()); continue;
      case '.':
        if (++dots > kKeyDotsMax) return at;
        break;
      case '\n':
      case '=':
      case ',':
      case '[':
      case '{': dots = 0; break;
      default: break;
    }
    ++at;
  }
  return text.size();
}

Position position_of(const toml::source_region& source) {
  return {source.begin.line, source.begin.column};
}

Node node_of(const toml::node& source);

Table table_of(const toml::table& source) {
  Table table;
  table.reserve(source.size());
  for (const auto& [key, value] : source) {
    table.push_back({std::string(key.str()), position_of(key.source()), node_of(value)});
  }
  // toml++ sorts by name; what comes first in the file shall come first here.
  std::stable_sort(table.begin(), table.end(), [](const Entry& a, const Entry& b) { return a.at < b.at; });
  return table;
}

Array array_of(const toml::array& source) {
  Array array;
  array.reserve(source.size());
  for (const toml::node& value : source) array.push_back(node_of(value));
  return array;
}

// Recurses at most kDocumentDepthMax * (kKeyDotsMax + 1) deep, which the two limits above see to.
Node node_of(const toml::node& source) {
  Node node{position_of(source.source()), Foreign{}};
  switch (source.type()) {
    case toml::node_type::table: node.value = table_of(*source.as_table()); break;
    case toml::node_type::array: node.value = array_of(*source.as_array()); break;
    case toml::node_type::string: node.value = source.as_string()->get(); break;
    case toml::node_type::integer: node.value = source.as_integer()->get(); break;
    case toml::node_type::floating_point: node.value = source.as_floating_point()->get(); break;
    case toml::node_type::boolean: node.value = source.as_boolean()->get(); break;
    case toml::node_type::date: node.value = Foreign{"a date"}; break;
    case toml::node_type::time: node.value = Foreign{"a time of day"}; break;
    case toml::node_type::date_time: node.value = Foreign{"a date and time"}; break;
    case toml::node_type::none: break;
  }
  return node;
}

// toml++ stops at a name that is given twice. For a task that is the mistake which the reader of this message has most
// likely made, so it is told in his words.
std::string problem_of(const toml::parse_error& error) {
  const std::string_view description = error.description();
  constexpr std::string_view kTwice = "cannot redefine existing table 'tasks.";
  const std::size_t found = description.find(kTwice);
  const std::size_t end = description.rfind('\'');
  if (found == std::string_view::npos || end < found + kTwice.size()) {
    return "syntax error: " + std::string(description);
  }
  const std::size_t name = found + kTwice.size();
  return "tasks." + std::string(description.substr(name, end - name)) +
         ": two names for one task: it has a table in this file already, allowed is one";
}

}  // namespace

ParsedDocument parse_toml(std::string_view text) {
  if (const std::size_t dot = find_too_long_key(text); dot != text.size()) {
    return SyntaxProblem{PositionFinder(text).at(dot), "syntax error: a key of more than " +
                                                           std::to_string(kKeyDotsMax + 1) + " parts, allowed are " +
                                                           std::to_string(kKeyDotsMax + 1)};
  }
  const toml::parse_result result = toml::parse(text);
  if (!result) return SyntaxProblem{position_of(result.error().source()), problem_of(result.error())};
  return table_of(result.table());
}

}  // namespace stargazer
