#include "config/values.h"

#include <algorithm>
#include <cmath>

#include "config/host_port.h"
#include "config/problems.h"

namespace stargazer {
namespace {

constexpr std::size_t kUnitBytesMax = 256;

Error wrong_kind(const Node& node, const std::string& allowed) {
  return Error(std::string("is ") + kind_name(node) + ", allowed is " + allowed);
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

bool is_identifier(std::string_view text) {
  return !text.empty() && is_letter(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_letter(c) || is_digit(c); });
}

bool is_module(std::string_view text) {
  for (std::size_t dot = text.find('.'); dot != std::string_view::npos; dot = text.find('.')) {
    if (!is_identifier(text.substr(0, dot))) return false;
    text.remove_prefix(dot + 1);
  }
  return is_identifier(text);
}

std::string printable(const std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max && std::none_of(text.begin(), text.end(), is_control)) return "";
  return "is too long or holds a control character, allowed are " + std::to_string(bytes_max) +
         " bytes without control characters";
}

std::string not_empty(const std::string& text) {
  return text.empty() ? "is empty, allowed is a text of at least one character" : "";
}

std::string text_problem(const std::string& text) {
  if (text.find('\0') != std::string::npos) return "holds a NUL character, which is not allowed";
  if (text.size() <= kTextBytesMax) return "";
  return "is " + std::to_string(text.size()) + " bytes long, allowed are " + std::to_string(kTextBytesMax);
}

}  // namespace

Result<bool> bool_of(const Node& node) {
  if (const auto* value = std::get_if<bool>(&node.value)) return *value;
  return wrong_kind(node, "true or false");
}

Result<std::uint32_t> number_of(const Node& node, std::uint32_t min, std::uint32_t max) {
  const std::string allowed = "an integer from " + std::to_string(min) + " to " + std::to_string(max);
  const auto* value = std::get_if<std::int64_t>(&node.value);
  if (value == nullptr) return wrong_kind(node, allowed);
  if (*value < min || *value > max) return Error("is " + std::to_string(*value) + ", allowed is " + allowed);
  return static_cast<std::uint32_t>(*value);
}

Result<Duration> duration_of(const Node& node, Duration min, Duration max, bool zero_allowed) {
  const std::string range = std::string(zero_allowed && min > Duration::zero() ? "0 and " : "") + "from " +
                            format_duration(min) + " to " + format_duration(max);
  Result<Duration> read = wrong_kind(node, "a duration such as \"90s\" or a number of seconds, " + range);
  if (const auto* text = std::get_if<std::string>(&node.value)) read = parse_duration(*text);
  if (const auto* whole = std::get_if<std::int64_t>(&node.value)) {
    read = duration_from_seconds(static_cast<double>(*whole));
  }
  if (const auto* number = std::get_if<double>(&node.value)) read = duration_from_seconds(*number);
  if (!read || (*read >= min && *read <= max) || (zero_allowed && *read == Duration::zero())) return read;
  return Error("is " +
               (*read < std::chrono::milliseconds(1) && *read != Duration::zero() ? std::string("less than 1ms")
                                                                                  : format_duration(*read)) +
               ", allowed is " + range);
}

Result<std::string> text_of(const Node& node, TextRule rule) {
  const auto* text = std::get_if<std::string>(&node.value);
  if (text == nullptr) return wrong_kind(node, "a string");
  if (std::string problem = text_problem(*text); !problem.empty()) return Error(std::move(problem));
  if (std::string problem = rule(*text); !problem.empty()) return Error(std::move(problem));
  return *text;
}

Result<std::vector<std::string>> texts_of(const Node& node, std::size_t count_max, TextsRule rule) {
  const auto* array = std::get_if<Array>(&node.value);
  if (array == nullptr) return wrong_kind(node, "an array of strings");
  if (array->size() > count_max) {
    return Error("has " + std::to_string(array->size()) + " items, allowed are " + std::to_string(count_max));
  }
  std::vector<std::string> texts;
  for (const Node& item : *array) {
    Result<std::string> text = text_of(item, any_text);
    if (!text) return text.error().in("item " + std::to_string(texts.size() + 1));
    texts.push_back(std::move(*text));
  }
  if (std::string problem = rule(texts); !problem.empty()) return Error(std::move(problem));
  return texts;
}

Result<FlagValue> flag_of(const Node& node) {
  if (const auto* value = std::get_if<bool>(&node.value)) return FlagValue(*value);
  if (const auto* value = std::get_if<std::int64_t>(&node.value)) return FlagValue(*value);
  if (const auto* value = std::get_if<double>(&node.value)) {
    if (std::isfinite(*value)) return FlagValue(*value);
    return Error("is not finite, allowed are true, false, a finite number or a string");
  }
  Result<std::string> text = text_of(node, any_text);
  if (text) return FlagValue(std::move(*text));
  if (std::holds_alternative<std::string>(node.value)) return text.error();
  return wrong_kind(node, "true, false, a number or a string");
}

std::string name_problem(const std::string& name) {
  const auto allowed = [](char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '-'; };
  if (!name.empty() && name.size() <= kNameBytesMax && std::all_of(name.begin(), name.end(), allowed)) return "";
  return "is not a name, allowed are 1 to " + std::to_string(kNameBytesMax) + " characters of [A-Za-z0-9_.-]";
}

std::string variable_problem(const std::string& name) {
  if (!is_identifier(name)) return "is not a name of a variable, allowed is [A-Za-z_][A-Za-z0-9_]*";
  if (name.starts_with("STARGAZER_"))
    return "begins with STARGAZER_, which only the scheduler sets; allowed are others";
  return "";
}

std::string any_text(const std::string&) {
  return "";
}

std::string name_or_empty(const std::string& text) {
  return text.empty() ? "" : name_problem(text);
}

std::string flag_name_or_empty(const std::string& text) {
  return printable(text, kTextBytesMax);
}

std::string node_id(const std::string& text) {
  return printable(text, kRedisKeyBytesMax);
}

std::string redis_key(const std::string& text) {
  return text.empty() ? not_empty(text) : printable(text, kRedisKeyBytesMax);
}

std::string redis_key_or_empty(const std::string& text) {
  return printable(text, kRedisKeyBytesMax);
}

std::string redis_url(const std::string& text) {
  if (text.starts_with("rediss://")) return "asks for TLS, allowed are redis:// and unix://";
  const bool known = text.starts_with("redis://") || text.starts_with("unix:///");
  return known ? printable(text, kTextBytesMax)
               : "is not the address of a Redis, allowed are redis:// and unix:///path";
}

std::string redis_url_or_empty(const std::string& text) {
  return text.empty() ? "" : redis_url(text);
}

std::string http_url(const std::string& text) {
  const bool known = text.starts_with("https://") || text.starts_with("http://");
  return known ? printable(text, kTextBytesMax) : "is not a web address, allowed are https:// and http://";
}

std::string plugin_library(const std::string& text) {
  const bool good = text.starts_with('/') ? printable(text, kTextBytesMax).empty() : name_problem(text).empty();
  return good ? "" : "is no plugin, allowed is an absolute path or a name of [A-Za-z0-9_.-]";
}

std::string absolute_path(const std::string& text) {
  return text.starts_with('/') ? "" : "is not an absolute path, allowed is one that begins with /";
}

std::string absolute_path_or_empty(const std::string& text) {
  return text.empty() ? "" : absolute_path(text);
}

std::string python_target(const std::string& text) {
  const std::size_t colon = text.find(':');
  const bool good = colon != std::string::npos && is_module(std::string_view(text).substr(0, colon)) &&
                    is_identifier(std::string_view(text).substr(colon + 1));
  return good ? "" : "is not a function of a module, allowed is \"module:function\"";
}

std::string plugin_job(const std::string& text) {
  return name_problem(text);
}

std::string native_job(const std::string& text) {
  return text == "journal_feed" ? "" : in_quotes(text) + " is not a native job, allowed is \"journal_feed\"";
}

std::string command_line(const std::vector<std::string>& texts) {
  if (!texts.empty() && !texts.front().empty()) return "";
  return "names no program, allowed is an array such as [\"/usr/bin/true\", \"argument\"]";
}

std::string sentinel_addresses(const std::vector<std::string>& texts) {
  for (std::size_t place = 0; place < texts.size(); ++place) {
    const Result<HostPort> address = parse_host_port(texts[place], 0);
    if (address) continue;
    return "item " + std::to_string(place + 1) + ": the " + address.error().message() +
           ", allowed is \"host:port\", an IPv6 address in brackets";
  }
  return "";
}

std::string unit_names(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (text.empty() || !printable(text, kUnitBytesMax).empty()) {
      return "names a unit that is empty or not printable, allowed are 1 to " + std::to_string(kUnitBytesMax) +
             " characters each";
    }
  }
  return "";
}

std::string journal_fields(const std::vector<std::string>& texts) {
  const auto allowed = [](char c) { return (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_'; };
  for (const std::string& text : texts) {
    if (!text.empty() && text.size() <= kNameBytesMax && !is_digit(text.front()) &&
        std::all_of(text.begin(), text.end(), allowed)) {
      continue;
    }
    return in_quotes(text) + " is not a field of the journal, allowed are 1 to " + std::to_string(kNameBytesMax) +
           " characters of [A-Z0-9_] such as MESSAGE";
  }
  return "";
}

std::string identifier_globs(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (text.empty() || !printable(text, kUnitBytesMax).empty()) {
      return "names an identifier that is empty or not printable, allowed are 1 to " + std::to_string(kUnitBytesMax) +
             " characters each";
    }
  }
  return "";
}

std::string task_names(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (std::string problem = name_problem(text); !problem.empty()) return in_quotes(text) + " " + problem;
  }
  return "";
}

}  // namespace stargazer
