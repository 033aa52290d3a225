// One value of a configuration, checked: what kind it must be and within which bounds. Every failure says what is wrong
// and what is allowed, and never repeats a text that may be a secret.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/document.h"
#include "core/config.h"
#include "core/result.h"

namespace stargazer {

// Says what is wrong with a text and what is allowed; "" when nothing is.
using TextRule = std::string (*)(const std::string& text);
using TextsRule = std::string (*)(const std::vector<std::string>& texts);

// No text of a configuration is longer: it must fit into an argument or a variable of a process.
inline constexpr std::size_t kTextBytesMax = 65536;
inline constexpr std::size_t kNameBytesMax = 64;
inline constexpr std::size_t kRedisKeyBytesMax = 512;

Result<bool> bool_of(const Node& node);
Result<std::uint32_t> number_of(const Node& node, std::uint32_t min, std::uint32_t max);

// A text of core/time.h or a number of seconds, from `min` to `max`. `zero_allowed`: zero as well, though below `min`.
Result<Duration> duration_of(const Node& node, Duration min, Duration max, bool zero_allowed);

Result<std::string> text_of(const Node& node, TextRule rule);
Result<std::vector<std::string>> texts_of(const Node& node, std::size_t count_max, TextsRule rule);
Result<FlagValue> flag_of(const Node& node);

// 1 to kNameBytesMax characters of [A-Za-z0-9_.-]: what tasks, supervised workers and pools may be called.
std::string name_problem(const std::string& name);

// A name of an environment variable that a file may set: [A-Za-z_][A-Za-z0-9_]*, not STARGAZER_…, which is ours.
std::string variable_problem(const std::string& name);

// The rules. What each allows is said by its name and, to the operator, by its message.
std::string any_text(const std::string& text);
std::string name_or_empty(const std::string& text);
std::string flag_name_or_empty(const std::string& text);
std::string node_id(const std::string& text);
std::string redis_key(const std::string& text);
std::string redis_key_or_empty(const std::string& text);
std::string redis_url(const std::string& text);
std::string redis_url_or_empty(const std::string& text);
std::string http_url(const std::string& text);
std::string plugin_library(const std::string& text);
std::string absolute_path(const std::string& text);
std::string absolute_path_or_empty(const std::string& text);
std::string python_target(const std::string& text);
std::string plugin_job(const std::string& text);
std::string native_job(const std::string& text);
std::string command_line(const std::vector<std::string>& texts);
std::string sentinel_addresses(const std::vector<std::string>& texts);
std::string journal_fields(const std::vector<std::string>& texts);
std::string identifier_globs(const std::vector<std::string>& texts);
std::string unit_names(const std::vector<std::string>& texts);
std::string task_names(const std::vector<std::string>& texts);

}  // namespace stargazer
