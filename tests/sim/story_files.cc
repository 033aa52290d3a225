// The files of stories: read, compared, written anew.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sim/story.h"

namespace stargazer::sim {
namespace {

constexpr std::size_t kIndent = 2;

bool is_output(const std::string& line) {
  return line.compare(0, kIndent, std::string(kIndent, ' ')) == 0;
}

// The file as it should be: its commands and comments with what happens after each. Fails at the first command that
// does; the error names the line.
Result<std::string> retell(const std::string& text) {
  Story story;
  std::string told;
  std::istringstream lines(text);
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (is_output(line)) continue;
    told += line + "\n";
    if (line.empty() || line.front() == '#') continue;
    const Status status = story.carry_out(line);
    for (const std::string& happened : story.take_lines()) told += std::string(kIndent, ' ') + happened + "\n";
    if (!status.ok()) return Error(std::to_string(number) + ": " + status.error().message() + "\n" + told);
  }
  return told;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The first line that differs, from both sides.
std::string first_difference(const std::string& expected, const std::string& told) {
  std::istringstream left(expected);
  std::istringstream right(told);
  std::string left_line;
  std::string right_line;
  for (std::size_t number = 1;; ++number) {
    const bool more_left = static_cast<bool>(std::getline(left, left_line));
    const bool more_right = static_cast<bool>(std::getline(right, right_line));
    if (more_left && more_right && left_line == right_line) continue;
    return std::to_string(number) + ":\n  expected: " + (more_left ? left_line : "the end") +
           "\n  happened: " + (more_right ? right_line : "the end");
  }
}

bool run_story(const std::filesystem::path& path, bool rewrite) {
  const std::string expected = read_file(path);
  const Result<std::string> told = retell(expected);
  if (!told.ok()) {
    std::printf("%s:%s\n", path.c_str(), told.error().message().c_str());
    return false;
  }
  if (*told == expected) return true;
  if (rewrite) {
    std::ofstream(path, std::ios::binary) << *told;
    std::printf("%s: rewritten\n", path.c_str());
    return true;
  }
  std::printf("%s:%s\n", path.c_str(), first_difference(expected, *told).c_str());
  return false;
}

}  // namespace

bool run_stories(const std::string& directory, bool rewrite) {
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  if (paths.empty()) std::printf("%s: no stories there\n", directory.c_str());
  bool all_as_told = !paths.empty();
  for (const std::filesystem::path& path : paths) all_as_told = run_story(path, rewrite) && all_as_told;
  std::printf("%zu stories, %s\n", paths.size(), all_as_told ? "all as told" : "some went differently");
  return all_as_told;
}

}  // namespace stargazer::sim
