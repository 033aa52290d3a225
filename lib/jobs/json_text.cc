#include "jobs/json_text.h"

#include "io/rpc_json.h"

namespace stargazer::jobs {

std::optional<Json> parse_json(std::string_view text) {
  if (nests_deeper(text, kJsonDepthMax)) return std::nullopt;
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return std::nullopt;
  return json;
}

std::string dump_json(const Json& json) {
  return dump_line(json);
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
