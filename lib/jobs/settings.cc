#include "jobs/settings.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "io/printable.h"

namespace stargazer::jobs {
namespace {

constexpr std::size_t kShownKeyBytesMax = 64;
constexpr std::size_t kIdentifierBytesMax = 64;

// The shortest text that reads back as this number.
std::string shown(double number) {
  std::string text(32, '\0');
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number);
  text.resize(error == std::errc() ? static_cast<std::size_t>(end - text.data()) : 0);
  return text;
}

bool is_letter(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') || character == '_';
}

bool is_digit(char character) {
  return character >= '0' && character <= '9';
}

bool is_identifier(const std::string& text) {
  if (text.empty() || text.size() > kIdentifierBytesMax || !is_letter(text[0])) return false;
  return std::all_of(text.begin(), text.end(), [](char each) { return is_letter(each) || is_digit(each); });
}

}  // namespace

SettingsReader::SettingsReader(const Json& params) {
  const Json* settings = member_of(params, "settings");
  if (settings == nullptr || settings->is_null()) return;
  if (settings->is_object()) {
    settings_ = settings;
  } else {
    problems_.emplace_back("settings: is not a table");
  }
}

const Json* SettingsReader::take(const char* key) {
  known_.emplace_back(key);
  return member_of(*settings_, key);
}

void SettingsReader::complain(const char* key, const std::string& problem) {
  problems_.push_back("settings." + std::string(key) + ": " + problem);
}

bool SettingsReader::flag(const char* key, bool fallback) {
  const Json* value = take(key);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  complain(key, "allowed is true or false");
  return fallback;
}

std::int64_t SettingsReader::integer(const char* key, std::int64_t fallback, std::int64_t min, std::int64_t max) {
  const Json* value = take(key);
  if (value == nullptr) return fallback;
  if (value->is_number_integer() && !(value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX)) {
    const auto found = value->get<std::int64_t>();
    if (found >= min && found <= max) return found;
  }
  complain(key, "allowed is a whole number from " + std::to_string(min) + " to " + std::to_string(max));
  return fallback;
}

double SettingsReader::number(const char* key, double fallback, double min, double max) {
  const Json* value = take(key);
  if (value == nullptr) return fallback;
  if (value->is_number()) {
    const auto found = value->get<double>();
    if (found >= min && found <= max) return found;
  }
  complain(key, "allowed is a number from " + shown(min) + " to " + shown(max));
  return fallback;
}

Duration SettingsReader::duration(const char* key, const char* fallback, Duration min, Duration max) {
  const Json* value = take(key);
  Result<Duration> found = parse_duration(fallback);
  if (value == nullptr) return *found;
  Result<Duration> given = Error("");
  if (value->is_string()) given = parse_duration(value->get_ref<const std::string&>());
  if (value->is_number()) given = duration_from_seconds(value->get<double>());
  if (given && *given >= min && *given <= max) return *given;
  complain(key, "allowed is a duration from " + format_duration(min) + " to " + format_duration(max));
  return *found;
}

std::string SettingsReader::text(const char* key, const char* fallback, std::size_t bytes_min, std::size_t bytes_max) {
  const Json* value = take(key);
  if (value == nullptr) return fallback;
  if (value->is_string()) {
    const auto& found = value->get_ref<const std::string&>();
    if (found.size() >= bytes_min && found.size() <= bytes_max && found.find('\0') == std::string::npos) return found;
  }
  complain(key, "allowed is a text of " + std::to_string(bytes_min) + " to " + std::to_string(bytes_max) + " bytes");
  return fallback;
}

std::vector<std::string> SettingsReader::texts(const char* key, std::vector<std::string> fallback) {
  const Json* value = take(key);
  if (value == nullptr) return fallback;
  std::vector<std::string> found;
  bool allowed = value->is_array() && value->size() <= kListMax;
  for (std::size_t place = 0; allowed && place < value->size(); ++place) {
    const Json& item = (*value)[place];
    allowed = item.is_string() && !item.get_ref<const std::string&>().empty() &&
              item.get_ref<const std::string&>().size() <= kTextBytesMax &&
              item.get_ref<const std::string&>().find('\0') == std::string::npos;
    if (allowed) found.push_back(item.get<std::string>());
  }
  if (allowed) return found;
  complain(key, "allowed are up to " + std::to_string(kListMax) + " texts of 1 to " + std::to_string(kTextBytesMax) +
                    " bytes");
  return fallback;
}

std::string SettingsReader::identifier(const char* key, const char* fallback) {
  const Json* value = take(key);
  if (value == nullptr) return fallback;
  if (value->is_string() && is_identifier(value->get_ref<const std::string&>())) return value->get<std::string>();
  complain(key, "allowed is a letter or _, then letters, digits and _, together up to 64");
  return fallback;
}

Status SettingsReader::finish() {
  for (const auto& item : settings_->items()) {
    if (std::find(known_.begin(), known_.end(), item.key()) != known_.end()) continue;
    std::string allowed;
    for (const std::string& key : known_) allowed += (allowed.empty() ? "" : ", ") + key;
    problems_.push_back("settings." + printable(item.key(), kShownKeyBytesMax) + ": is not a known key, allowed are " +
                        allowed);
  }
  if (problems_.empty()) return {};
  std::string text;
  const std::size_t shown_count = std::min(problems_.size(), kProblemsShownMax);
  for (std::size_t place = 0; place < shown_count; ++place) text += (place == 0 ? "" : "; ") + problems_[place];
  if (problems_.size() > shown_count) text += "; and " + std::to_string(problems_.size() - shown_count) + " more";
  return Error(text);
}

}  // namespace stargazer::jobs
