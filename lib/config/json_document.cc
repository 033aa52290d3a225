// JSON into a tree with positions, which nlohmann's SAX interface does not offer: an iterator counts the bytes that
// the parser has taken. Between two events lie only whitespace, commas and colons, so a token begins at the first other
// byte behind the event before it.
#include <iterator>

#include <nlohmann/json.hpp>

#include "config/document.h"

namespace stargazer {
namespace {

// Walks over the text and tells a counter how far it is.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, std::size_t* taken) : at_(at), taken_(taken) {}

  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    ++at_;
    ++*taken_;
    return *this;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  std::size_t* taken_;
};

// nlohmann's text without its prefix and without what it read last: that may be a secret.
std::string cause_of(std::string_view message) {
  if (const std::size_t prefix = message.find("syntax error"); prefix != std::string_view::npos) {
    message.remove_prefix(prefix);
  } else {
    return "syntax error: a number that cannot be represented";
  }
  const std::size_t last_read = message.find("; last read: '");
  if (last_read == std::string_view::npos) return std::string(message);
  const std::size_t expected = message.rfind("; expected ");
  return std::string(message.substr(0, last_read)) +
         (expected == std::string_view::npos || expected < last_read ? "" : std::string(message.substr(expected)));
}

// Builds the tree. Every function answers whether to go on.
class TreeBuilder {
 public:
  TreeBuilder(std::string_view text, const std::size_t* taken) : text_(text), taken_(taken), positions_(text) {}

  bool null() { return add(Foreign{"null"}); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) { return add(value); }
  bool number_unsigned(std::uint64_t value) {
    if (value > static_cast<std::uint64_t>(INT64_MAX)) return add(Foreign{"an integer of more than 64 bits"});
    return add(static_cast<std::int64_t>(value));
  }
  bool number_float(double value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(nlohmann::json::binary_t&) { return false; }  // only in formats that are not text

  bool start_object(std::size_t) { return open(Table{}); }
  bool start_array(std::size_t) { return open(Array{}); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    std::get<Table>(open_.back()->value).push_back({std::move(name), token_start(), Node{}});
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) {
    // The parser has taken the byte that it did not expect; of a number beyond all bounds the byte behind it.
    constexpr int kNumberOutOfRange = 406;
    const std::size_t unexpected = *taken_ == 0 ? 0 : *taken_ - 1;
    problem_ = {error.id == kNumberOutOfRange ? token_start() : positions_.at(unexpected), cause_of(error.what())};
    return false;
  }

  ParsedDocument result(bool parsed) {
    if (!parsed) return problem_;
    if (auto* table = std::get_if<Table>(&root_.value)) return std::move(*table);
    return SyntaxProblem{root_.at,
                         std::string("syntax error: the file holds ") + kind_name(root_) + ", allowed is an object"};
  }

 private:
  Position token_start() {
    constexpr std::string_view kBetweenTokens = " \t\r\n,:";
    const std::size_t start = std::min(text_.find_first_not_of(kBetweenTokens, event_end_), text_.size());
    event_end_ = *taken_;
    return positions_.at(start);
  }

  // The place for a value: behind the key just read, at the end of the open array, or the root.
  Node& new_node() {
    if (open_.empty()) return root_;
    if (auto* table = std::get_if<Table>(&open_.back()->value)) return table->back().value;
    return std::get<Array>(open_.back()->value).emplace_back();
  }

  template <typename Value>
  bool add(Value value) {
    Node& node = new_node();
    node.at = token_start();
    node.value = std::move(value);
    return true;
  }

  // The pointers in open_ stay good: only the innermost open table or array grows.
  template <typename Container>
  bool open(Container container) {
    if (open_.size() == kDocumentDepthMax) {
      problem_ = {token_start(), "syntax error: nested deeper than " + std::to_string(kDocumentDepthMax) +
                                     ", allowed are " + std::to_string(kDocumentDepthMax)};
      return false;
    }
    Node& node = new_node();
    node.at = token_start();
    node.value = std::move(container);
    open_.push_back(&node);
    return true;
  }

  bool close() {
    open_.pop_back();
    event_end_ = *taken_;
    return true;
  }

  std::string_view text_;
  const std::size_t* taken_;
  PositionFinder positions_;
  std::size_t event_end_ = 0;
  Node root_;
  std::vector<Node*> open_;
  SyntaxProblem problem_;
};

}  // namespace

ParsedDocument parse_json(std::string_view text) {
  std::size_t taken = 0;
  TreeBuilder builder(text, &taken);
  const CountingIterator begin(text.data(), &taken);
  const CountingIterator end(text.data() + text.size(), &taken);
  const bool parsed = nlohmann::json::sax_parse(begin, end, &builder);
  return builder.result(parsed);
}

}  // namespace stargazer
