// A table of a configuration as data: each key once, with its kind, its bounds and the member that it sets. Reading,
// the check for unknown keys, the suggestion for a typo and the list of known keys all come from it.
#pragma once

#include <array>
#include <unordered_map>

#include "config/problems.h"
#include "config/values.h"

namespace stargazer {

// Where a table is being read: its file and its path, such as "tasks.kg_decay_task" ("" = the whole document).
struct Place {
  ProblemList& problems;
  std::uint32_t file;
  std::string path;

  std::string path_of(std::string_view key) const { return (path.empty() ? "" : path + ".") + std::string(key); }
  Origin origin_of(Position at) const { return {file, at}; }
  Place inner(std::string_view key) const { return {problems, file, path_of(key)}; }
  void problem(const Entry& entry, const std::string& text) const {
    problems.add(origin_of(entry.at), path_of(one_line(entry.key, kNameBytesMax)), text);
  }
};

// Which keys of a table the files have set, and where the last of them did. The names are those of the schema.
class KeyOrigins {
 public:
  void note(std::string_view key, Origin origin);
  // nullptr when no file set it.
  const Origin* find(std::string_view key) const;
  bool set_in(std::string_view key, std::uint32_t file) const;

 private:
  std::vector<std::pair<std::string_view, Origin>> origins_;
};

template <typename T>
struct Key {
  struct Flag {
    bool T::*member;
  };
  struct Number {
    std::uint32_t T::*member;
    std::uint32_t min;
    std::uint32_t max;
  };
  struct Time {
    Duration T::*member;
    Duration min;
    Duration max;
    bool zero_allowed = false;
  };
  struct Text {
    std::string T::*member;
    TextRule rule;
  };
  struct Texts {
    std::vector<std::string> T::*member;
    std::size_t count_max;
    TextsRule rule;
  };
  // Reads the value and reports its problems itself.
  using Special = void (*)(const Entry& entry, T& target, const Place& place);

  std::string_view name;
  std::variant<Flag, Number, Time, Text, Texts, Special> field;
};

// Calls `read(entry)` for each entry of `node`, except for a key that the table has already: that is a problem, with
// `twice` in front of where the first one stands. Not a table at all: one problem, at `at`.
template <typename Read>
void read_entries(const Node& node, Position at, const Place& place, const char* twice, Read read) {
  const auto* table = std::get_if<Table>(&node.value);
  if (table == nullptr) {
    return place.problems.add(place.origin_of(at), place.path,
                              std::string("is ") + kind_name(node) + ", allowed is a table");
  }
  std::unordered_map<std::string_view, Position> first;
  for (const Entry& entry : *table) {
    const auto [found, is_new] = first.emplace(entry.key, entry.at);
    if (is_new) {
      read(entry);
    } else {
      place.problem(entry,
                    std::string(twice) + ", the other at " + place.problems.shown(place.origin_of(found->second)));
    }
  }
}

inline constexpr const char* kGivenTwice = "is given twice, allowed is once";

// Sets one member of `target` from `entry`; says what is wrong with it, if anything.
template <typename T>
void read_field(const Key<T>& key, const Entry& entry, T& target, const Place& place) {
  const auto store = [&](auto& member, auto result) {
    if (result) {
      member = std::move(*result);
    } else {
      place.problem(entry, result.error().message());
    }
  };
  using K = Key<T>;
  const Node& node = entry.value;
  if (const auto* flag = std::get_if<typename K::Flag>(&key.field)) {
    store(target.*flag->member, bool_of(node));
  } else if (const auto* number = std::get_if<typename K::Number>(&key.field)) {
    store(target.*number->member, number_of(node, number->min, number->max));
  } else if (const auto* time = std::get_if<typename K::Time>(&key.field)) {
    store(target.*time->member, duration_of(node, time->min, time->max, time->zero_allowed));
  } else if (const auto* text = std::get_if<typename K::Text>(&key.field)) {
    store(target.*text->member, text_of(node, text->rule));
  } else if (const auto* texts = std::get_if<typename K::Texts>(&key.field)) {
    store(target.*texts->member, texts_of(node, texts->count_max, texts->rule));
  } else {
    std::get<typename K::Special>(key.field)(entry, target, place);
  }
}

template <typename T, std::size_t Count>
std::vector<std::string_view> names_of(const std::array<Key<T>, Count>& keys) {
  std::vector<std::string_view> names;
  names.reserve(Count);
  for (const Key<T>& key : keys) names.push_back(key.name);
  return names;
}

// Reads the table that `from` holds into `target`. A key that is absent or wrong leaves its member as it is.
template <typename T, std::size_t Count>
void read_table(const Entry& from, const std::array<Key<T>, Count>& keys, T& target, KeyOrigins& origins,
                const Place& place) {
  read_entries(from.value, from.at, place, kGivenTwice, [&](const Entry& entry) {
    for (const Key<T>& key : keys) {
      if (key.name != entry.key) continue;
      origins.note(key.name, place.origin_of(entry.at));
      return read_field(key, entry, target, place);
    }
    place.problem(entry, "is not a known key" + suggestion(entry.key, names_of(keys)));
  });
}

}  // namespace stargazer
