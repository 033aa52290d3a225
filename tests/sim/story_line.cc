#include "sim/story_line.h"

#include <charconv>
#include <sstream>

namespace stargazer::sim {

StoryLine::StoryLine(const std::string& text) {
  std::istringstream parts(text);
  parts >> verb_;
  for (std::string part; parts >> part;) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos) {
      words_.push_back(part);
    } else {
      fields_[part.substr(0, equals)] = part.substr(equals + 1);
    }
  }
}

std::string StoryLine::word() {
  return has_word() ? words_[next_word_++] : "";
}

Duration StoryLine::duration_word() {
  return read_duration(word());
}

std::uint32_t StoryLine::number_word() {
  return read_number(word());
}

std::string StoryLine::text(const std::string& key, const std::string& otherwise) {
  const auto field = fields_.extract(key);
  return field.empty() ? otherwise : field.mapped();
}

Duration StoryLine::duration(const std::string& key, Duration otherwise) {
  const std::string value = text(key);
  return value.empty() ? otherwise : read_duration(value);
}

std::optional<Duration> StoryLine::duration_unless(const std::string& key, const std::string& never,
                                                   Duration otherwise) {
  const std::string value = text(key);
  if (value == never) return std::nullopt;
  return value.empty() ? otherwise : read_duration(value);
}

std::uint32_t StoryLine::number(const std::string& key, std::uint32_t otherwise) {
  const std::string value = text(key);
  return value.empty() ? otherwise : read_number(value);
}

Duration StoryLine::read_duration(const std::string& value) {
  const Result<Duration> read = parse_duration(value);
  if (read.ok()) return read.value();
  fail(read.error().message());
  return {};
}

std::uint32_t StoryLine::read_number(const std::string& value) {
  std::uint32_t number = 0;
  const char* end = value.data() + value.size();
  const auto [rest, error] = std::from_chars(value.data(), end, number);
  if (error != std::errc() || rest != end) fail("\"" + value + "\" is no number");
  return number;
}

void StoryLine::fail(const std::string& problem) {
  if (problem_.empty()) problem_ = problem;
}

Status StoryLine::status() const {
  if (!problem_.empty()) return Error(verb_ + ": " + problem_);
  if (has_word()) return Error(verb_ + ": \"" + words_[next_word_] + "\" means nothing here");
  if (!fields_.empty()) return Error(verb_ + ": " + fields_.begin()->first + "= means nothing here");
  return {};
}

}  // namespace stargazer::sim
