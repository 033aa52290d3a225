// Fields of a hostile entry. What is written must be JSON that means the same bytes.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "../support/text_judge.h"
#include "feed/journal_json.h"

namespace {

using nlohmann::json;

json expected(std::string_view name, std::string_view value) {
  if (name.size() + 1 + value.size() >= stargazer::kThresholdBytes) return nullptr;
  if (stargazer::testing::is_text_by_the_table(value)) return std::string(value);
  json numbers = json::array();
  for (const char c : value) numbers.push_back(static_cast<unsigned char>(c));
  return numbers;
}

// With a limit what is there is still the same or null, and what is null is named.
void check_limit(stargazer::JournalObject& object, const json& whole, std::size_t limit_bytes) {
  stargazer::OutBuffer out;
  object.append_to(out, limit_bytes);
  json cut = json::parse(out.view());
  const std::string names = ',' + cut.value("_STARGAZER_TRUNCATED", "") + ',';
  cut.erase("_STARGAZER_TRUNCATED");
  if (cut.size() != whole.size()) std::abort();
  for (const auto& [name, value] : whole.items()) {
    if (cut[name] != value && names.find(',' + name + ',') == std::string::npos) std::abort();
  }
}

}  // namespace

// Input: fields, each one byte of name ('A' to 'P'), one byte of length (times 32), and the value.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  stargazer::JournalObject object;
  std::map<std::string, std::vector<json>> members;
  while (rest.size() >= 2) {
    const std::string name(1, static_cast<char>('A' + static_cast<unsigned char>(rest[0]) % 16));
    const std::size_t length = static_cast<unsigned char>(rest[1]) * std::size_t{32};
    rest.remove_prefix(2);
    const std::string_view value = rest.substr(0, length);
    rest.remove_prefix(value.size());
    object.add(name, value);
    members[name].push_back(expected(name, value));
  }
  json whole = json::object();
  for (const auto& [name, values] : members) whole[name] = values.size() == 1 ? values[0] : json(values);
  stargazer::OutBuffer out;
  object.append_to(out);
  if (json::parse(out.view()) != whole || out.size() > object.bytes_max()) std::abort();
  check_limit(object, whole, out.size() / 2);
  return 0;
}
