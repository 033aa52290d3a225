// JSON of outside, read without trust.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace stargazer::jobs {

using Json = nlohmann::json;

// Deeper than this nothing is taken: a deep tree costs the stack of whoever walks it.
inline constexpr int kJsonDepthMax = 64;

// None when the text is no JSON or nests deeper than kJsonDepthMax.
std::optional<Json> parse_json(std::string_view text);

// One line. Bytes that are not UTF-8 are replaced.
std::string dump_json(const Json& json);

// The member of an object, or null when `json` is no object or has none of that name. Never adds one.
const Json* member_of(const Json& json, const char* name);

// The member if it is a text, else "".
std::string text_member(const Json& json, const char* name);

}  // namespace stargazer::jobs
