// From configuration text to one checked Config, and from files to that text.
//
// Order (DESIGN section 7): the catalogue, the main file, then conf.d/*.toml and conf.d/*.json beside it by name. A
// later file overrides single keys of [tasks.NAME] and [supervised.NAME]; every other table likewise key by key. A task
// may be spelled by any of its aliases, but one file may not spell one task twice.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/result.h"

namespace stargazer {

enum class ConfigFormat : std::uint8_t { kToml, kJson };

// One file's text with its name for messages.
struct ConfigText {
  std::string file;
  std::string text;
  ConfigFormat format = ConfigFormat::kToml;
};

// A file larger than this is refused.
inline constexpr std::size_t kConfigFileBytesMax = std::size_t{1024} * 1024;
// More problems than this are counted, not listed.
inline constexpr std::size_t kConfigProblemsMax = 50;

// Either a valid configuration, or every problem that was found, one line each:
// "file:line:column: key: what is wrong, what is allowed".
struct ConfigOutcome {
  std::optional<Config> config;
  std::vector<std::string> problems;
};

// Merges and checks texts in the given order. Pure: opens no file, not even those that a value names.
ConfigOutcome read_config(const std::vector<ConfigText>& texts);

// Finds and reads every file that belongs to the main file `path`, then read_config. Each file that cannot be read (not
// there, no permission, a directory, too large, unknown extension) is a problem with its cause. `SG_LEADER_KEY` from
// the environment, when set and not empty, is given as `leader_key` and wins over the files.
ConfigOutcome load_config(const std::string& path, const std::optional<std::string>& leader_key);

}  // namespace stargazer
