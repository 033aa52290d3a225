// The list of everything that is wrong with a configuration, and the words for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "config/document.h"

namespace stargazer {

// Where something was set: a file, by its place in the list of files, and a position in it.
struct Origin {
  std::uint32_t file = 0;
  Position at;

  auto operator<=>(const Origin&) const = default;  // NOLINT(modernize-use-nullptr): of clang-tidy 14
};

class ProblemList {
 public:
  explicit ProblemList(std::vector<std::string> files) : files_(std::move(files)) {}

  // `key` is the whole path of a key, such as "lease.ttl".
  void add(Origin origin, const std::string& key, const std::string& problem);

  // A problem of a whole text, with its own words for what is wrong where.
  void add(Origin origin, const std::string& problem);

  bool empty() const { return problems_.empty(); }

  // Whether something is wrong with this table or one of its own keys, such as "lease" for lease.ttl.
  bool concerns_table(const std::string& table) const { return tables_.contains(table); }

  // "file:line:column" of an origin.
  std::string shown(Origin origin) const;

  // One line each, in the order of the files and within them from top to bottom; after kConfigProblemsMax one line that
  // counts the others.
  std::vector<std::string> lines() const;

 private:
  struct Problem {
    Origin origin;
    std::string key;
    std::string problem;
  };

  std::vector<std::string> files_;
  std::vector<Problem> problems_;
  std::unordered_set<std::string> tables_;  // each key with a problem, and the table it is in
};

// `text` as a part of one line: control characters and bytes that are no UTF-8 become '?', and what is longer than
// `bytes_max` is cut with a mark.
std::string one_line(std::string_view text, std::size_t bytes_max);

// `text` in double quotes, short enough for a message.
std::string in_quotes(std::string_view text);

// The candidate that `text` is most likely a misspelling of; "" when none is near.
std::string nearest(std::string_view text, const std::vector<std::string_view>& candidates);

// "; did you mean \"near\"?", or when nothing is near, "; allowed are a, b, c".
std::string suggestion(std::string_view text, const std::vector<std::string_view>& candidates);

}  // namespace stargazer
