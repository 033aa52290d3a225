// What the tests of the configuration share.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "config/config_reader.h"
#include "support/temporary_directory.h"
#include "unit/catch.h"

namespace stargazer {

inline ConfigOutcome read_toml(const std::string& text) {
  return read_config({{"a.toml", text, ConfigFormat::kToml}});
}

inline ConfigOutcome read_json(const std::string& text) {
  return read_config({{"a.json", text, ConfigFormat::kJson}});
}

inline ConfigOutcome read_two(const std::string& first, const std::string& second) {
  return read_config({{"1.toml", first, ConfigFormat::kToml}, {"2.toml", second, ConfigFormat::kToml}});
}

inline std::string joined(const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& line : lines) all += line + "\n";
  return all;
}

// The configuration of texts that must be good.
inline Config config_of(const ConfigOutcome& outcome) {
  INFO(joined(outcome.problems));
  REQUIRE(outcome.config.has_value());
  REQUIRE(outcome.problems.empty());
  return *outcome.config;
}

// The one problem of texts that must have exactly one.
inline std::string problem_of(const ConfigOutcome& outcome) {
  INFO(joined(outcome.problems));
  REQUIRE_FALSE(outcome.config.has_value());
  REQUIRE(outcome.problems.size() == 1);
  return outcome.problems.front();
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

inline std::string text_of_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  REQUIRE(file.is_open());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A folder that is gone when the test ends.
class TemporaryFolder : public testing::TemporaryDirectory {
 public:
  // Writes a file of the folder and answers its path.
  std::string write(const std::string& name, const std::string& text) const {
    const std::filesystem::path file = path() / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }
};

}  // namespace stargazer
