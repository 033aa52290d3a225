// One command of a story, taken apart.
//
//   command = word { " " ( word | key "=" value ) }
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/time.h"

namespace stargazer::sim {

// Hands out the words and fields of a command by their meaning. The first that cannot be read, and then any that
// nobody asked for, makes status() an error; so a handler reads everything first and looks at status() once.
class StoryLine {
 public:
  explicit StoryLine(const std::string& text);

  // The first word.
  const std::string& verb() const { return verb_; }
  // The next word after those taken already; "" when there is none.
  std::string word();
  bool has_word() const { return next_word_ < words_.size(); }
  // REQUIRED, as the next word.
  Duration duration_word();
  std::uint32_t number_word();

  std::string text(const std::string& key, const std::string& otherwise = "");
  Duration duration(const std::string& key, Duration otherwise);
  // None when the field says `never`.
  std::optional<Duration> duration_unless(const std::string& key, const std::string& never, Duration otherwise);
  std::uint32_t number(const std::string& key, std::uint32_t otherwise);

  // Records that the command cannot be carried out.
  void fail(const std::string& problem);
  Status status() const;

 private:
  Duration read_duration(const std::string& value);
  std::uint32_t read_number(const std::string& value);

  std::string verb_;
  std::vector<std::string> words_;
  std::size_t next_word_ = 0;
  std::map<std::string, std::string> fields_;
  std::string problem_;
};

}  // namespace stargazer::sim
