// What the tests of the configuration share.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "config/config_reader.h"
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
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "config_test.XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  TemporaryFolder(TemporaryFolder&&) = delete;
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  // Writes a file of the folder and answers its path.
  std::string write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
    return path_ / name;
  }

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace stargazer
