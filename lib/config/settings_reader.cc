#include "config/settings_reader.h"

#include <cmath>

#include <nlohmann/json.hpp>

namespace stargazer {
namespace {

using Json = nlohmann::ordered_json;

Result<Json> json_of(const Node& node);

Result<Json> json_of(const Array& array) {
  Json json = Json::array();
  for (const Node& item : array) {
    auto value = json_of(item);
    if (!value) return value.error();
    json.push_back(std::move(*value));
  }
  return json;
}

Result<Json> json_of(const Table& table) {
  Json json = Json::object();
  for (const Entry& entry : table) {
    auto value = json_of(entry.value);
    if (!value) return value.error();
    if (json.contains(entry.key)) return Error("holds a key twice, allowed is once");
    json[entry.key] = std::move(*value);
  }
  return json;
}

// Not deeper than a document may be.
Result<Json> json_of(const Node& node) {
  if (const auto* array = std::get_if<Array>(&node.value)) return json_of(*array);
  if (const auto* table = std::get_if<Table>(&node.value)) return json_of(*table);
  if (const auto* flag = std::get_if<bool>(&node.value)) return Json(*flag);
  if (const auto* number = std::get_if<std::int64_t>(&node.value)) return Json(*number);
  if (const auto* text = std::get_if<std::string>(&node.value)) return Json(*text);
  const auto* real = std::get_if<double>(&node.value);
  if (real != nullptr && std::isfinite(*real)) return Json(*real);
  const std::string found = real != nullptr ? "a number that is not finite" : kind_name(node);
  return Error("is or holds " + found + ", allowed are booleans, numbers, strings, and arrays and tables of them");
}

std::size_t bytes_of(const Settings& settings) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : settings) bytes += name.size() + value.size();
  return bytes;
}

std::string store(const Entry& entry, Settings& settings) {
  if (std::string problem = name_problem(entry.key); !problem.empty()) return problem;
  const auto value = json_of(entry.value);
  if (!value) return value.error().message();
  settings[entry.key] = value->dump(-1, ' ', false, Json::error_handler_t::replace);
  if (settings.size() > kSettingsMax) {
    return "is one setting too many, allowed are " + std::to_string(kSettingsMax);
  }
  if (bytes_of(settings) <= kSettingsBytesMax) return "";
  return "makes the settings too long, allowed are " + std::to_string(kSettingsBytesMax) + " bytes of JSON";
}

}  // namespace

void read_settings(const Entry& from, Settings& settings, const Place& place) {
  const Place inner = place.inner(from.key);
  read_entries(from.value, from.at, inner, kGivenTwice, [&](const Entry& entry) {
    if (const std::string problem = store(entry, settings); !problem.empty()) inner.problem(entry, problem);
  });
}

}  // namespace stargazer
