// Fields of a hostile entry. What is written must be JSON that means the same bytes.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "feed/journal_json.h"

namespace {

using nlohmann::json;

json expected(std::string_view name, std::string_view value) {
  if (name.size() + 1 + value.size() >= stargazer::kThresholdBytes) return nullptr;
  if (stargazer::is_journal_text(value)) return std::string(value);
  json numbers = json::array();
  for (const char c : value) numbers.push_back(static_cast<unsigned char>(c));
  return numbers;
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
  return 0;
}
