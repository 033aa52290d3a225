// The table [tasks.NAME.settings] as its job reads it: each key once, with its default and its bounds. The scheduler
// does not know the keys; the job refuses what it does not know, so that a typo is an error and not a default.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "jobs/json_text.h"

namespace stargazer::jobs {

class SettingsReader {
 public:
  static constexpr std::size_t kTextBytesMax = 4096;
  static constexpr std::size_t kListMax = 64;
  static constexpr std::size_t kProblemsShownMax = 8;

  // The member `settings` of a run's parameters; absent or null counts as empty. `params` must outlive the reader.
  explicit SettingsReader(const Json& params);
  SettingsReader(const SettingsReader&) = delete;
  SettingsReader& operator=(const SettingsReader&) = delete;

  // Each reads one key. A value that is not allowed is a problem, and the default is returned.
  bool flag(const char* key, bool fallback);
  std::int64_t integer(const char* key, std::int64_t fallback, std::int64_t min, std::int64_t max);
  double number(const char* key, double fallback, double min, double max);
  // A text as in the configuration ("90s"), or a number of seconds.
  Duration duration(const char* key, const char* fallback, Duration min, Duration max);
  std::string text(const char* key, const char* fallback, std::size_t bytes_min, std::size_t bytes_max = 512);
  std::vector<std::string> texts(const char* key, std::vector<std::string> fallback);
  // What may stand in a query without quotes: a letter or _, then letters, digits and _, up to 64.
  std::string identifier(const char* key, const char* fallback);

  // For a relation between keys.
  void complain(const char* key, const std::string& problem);

  // Once every key was read: fails with all problems in one line, those of unknown keys among them.
  Status finish();

 private:
  const Json* take(const char* key);

  Json empty_ = Json::object();
  const Json* settings_ = &empty_;
  std::vector<std::string> known_;
  std::vector<std::string> problems_;
};

}  // namespace stargazer::jobs
