#include "config/problems.h"

#include <algorithm>

namespace stargazer {
namespace {

constexpr std::size_t kShownBytesMax = 64;
constexpr std::size_t kLineBytesMax = 1024;

// How many letters must be inserted, removed, replaced or swapped with their neighbour to turn one into the other.
std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> before_last;
  std::vector<std::size_t> last(to.size() + 1);
  for (std::size_t column = 0; column <= to.size(); ++column) last[column] = column;
  for (std::size_t row = 1; row <= from.size(); ++row) {
    std::vector<std::size_t> current(to.size() + 1, row);
    for (std::size_t column = 1; column <= to.size(); ++column) {
      const bool same = from[row - 1] == to[column - 1];
      current[column] = std::min({last[column] + 1, current[column - 1] + 1, last[column - 1] + (same ? 0 : 1)});
      const bool swapped = row > 1 && column > 1 && from[row - 1] == to[column - 2] && from[row - 2] == to[column - 1];
      if (swapped) current[column] = std::min(current[column], before_last[column - 2] + 1);
    }
    before_last = std::exchange(last, std::move(current));
  }
  return last.back();
}

}  // namespace

void ProblemList::add(Origin origin, const std::string& key, const std::string& problem) {
  problems_.push_back({origin, key, problem});
  tables_.insert(key);
  if (const std::size_t dot = key.rfind('.'); dot != std::string::npos) tables_.insert(key.substr(0, dot));
}

void ProblemList::add(Origin origin, const std::string& problem) {
  problems_.push_back({origin, "", problem});
}

std::string ProblemList::shown(Origin origin) const {
  return files_[origin.file] + ":" + std::to_string(origin.at.line) + ":" + std::to_string(origin.at.column);
}

std::vector<std::string> ProblemList::lines() const {
  std::vector<const Problem*> sorted;
  sorted.reserve(problems_.size());
  for (const Problem& problem : problems_) sorted.push_back(&problem);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Problem* a, const Problem* b) { return a->origin < b->origin; });
  std::vector<std::string> lines;
  for (const Problem* problem : sorted) {
    if (lines.size() == kConfigProblemsMax) {
      lines.push_back("and " + std::to_string(sorted.size() - kConfigProblemsMax) + " more problems");
      break;
    }
    const std::string key = problem->key.empty() ? "" : problem->key + ": ";
    lines.push_back(one_line(shown(problem->origin) + ": " + key + problem->problem, kLineBytesMax));
  }
  return lines;
}

std::string one_line(std::string_view text, std::size_t bytes_max) {
  std::string line;
  while (!text.empty() && line.size() < bytes_max) {
    const std::size_t valid = valid_utf8_length(text.substr(0, bytes_max - line.size()));
    for (const char c : text.substr(0, valid)) line += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
    text.remove_prefix(valid);
    if (text.empty()) return line;
    if (valid_utf8_length(text) > 0) break;  // the next sequence does not fit
    line += '?';
    text.remove_prefix(1);
  }
  return text.empty() ? line : line + "…";
}

std::string in_quotes(std::string_view text) {
  return "\"" + one_line(text, kShownBytesMax) + "\"";
}

std::string nearest(std::string_view text, const std::vector<std::string_view>& candidates) {
  if (text.size() > kShownBytesMax) return "";
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(text.size() / 3, 1) + 1;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > kShownBytesMax) continue;
    const std::size_t distance = edit_distance(text, candidate);
    if (distance >= best_distance) continue;
    best = candidate;
    best_distance = distance;
  }
  return std::string(best);
}

std::string suggestion(std::string_view text, const std::vector<std::string_view>& candidates) {
  if (const std::string near = nearest(text, candidates); !near.empty()) return "; did you mean \"" + near + "\"?";
  std::string all;
  for (const std::string_view candidate : candidates)
    all += (all.empty() ? "; allowed are " : ", ") + std::string(candidate);
  return all;
}

}  // namespace stargazer
