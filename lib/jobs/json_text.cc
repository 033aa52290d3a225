#include "jobs/json_text.h"

namespace stargazer::jobs {
namespace {

// Counted before anything is parsed.
bool too_deep(std::string_view text) {
  int depth = 0;
  bool in_text = false;
  for (std::size_t place = 0; place < text.size(); ++place) {
    const char byte = text[place];
    if (in_text) {
      if (byte == '\\') ++place;
      if (byte == '"') in_text = false;
    } else if (byte == '"') {
      in_text = true;
    } else if (byte == '{' || byte == '[') {
      if (++depth > kJsonDepthMax) return true;
    } else if (byte == '}' || byte == ']') {
      --depth;
    }
  }
  return false;
}

}  // namespace

std::optional<Json> parse_json(std::string_view text) {
  if (too_deep(text)) return std::nullopt;
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return std::nullopt;
  return json;
}

std::string dump_json(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const Json* member_of(const Json& json, const char* name) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(name);
  return found == json.end() ? nullptr : &*found;
}

std::string text_member(const Json& json, const char* name) {
  const Json* member = member_of(json, name);
  return member != nullptr && member->is_string() ? member->get<std::string>() : "";
}

}  // namespace stargazer::jobs
