#include "io/sentinel.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "io/printable.h"

namespace stargazer {
namespace {

constexpr std::size_t kShownBytesMax = 64;

using Kind = RedisValue::Kind;

bool is_text(const RedisValue& value) {
  return value.kind == Kind::kString;
}

}  // namespace

std::vector<std::string> master_question(const std::string& master_name) {
  return {"SENTINEL", "get-master-addr-by-name", master_name};
}

Result<HostPort> master_answer(const std::string& master_name, const Result<RedisValue>& answer) {
  if (!answer) return answer.error();
  if (answer->kind == Kind::kNil) return Error("it knows no master named \"" + master_name + "\"");
  const std::vector<RedisValue>& parts = answer->elements;
  if (parts.size() != 2 || !is_text(parts[0]) || !is_text(parts[1]) || !is_host(parts[0].text)) {
    return Error("its answer is not the address of a master");
  }
  // Brackets, so that an IPv6 address is one as well.
  auto address = parse_host_port("[::]:" + parts[1].text, 0);
  if (!address) return Error("its answer is not the address of a master: the " + address.error().message());
  return HostPort{parts[0].text, address->port};
}

Status check_role(const RedisValue& answer) {
  if (answer.kind != Kind::kArray || answer.elements.empty() || !is_text(answer.elements.front())) {
    return Error("an answer that ROLE cannot give");
  }
  const std::string& role = answer.elements.front().text;
  if (role == "master") return {};
  return Error("the server is not the master, but says: " + printable(role, kShownBytesMax));
}

bool is_refusal_of_no_master(std::string_view error) {
  constexpr std::array<std::string_view, 3> kCodes{"READONLY ", "LOADING ", "MASTERDOWN "};
  return std::any_of(kCodes.begin(), kCodes.end(), [&](std::string_view code) {
    // Before Redis 7 a script's error quotes that of its command: "ERR Error running script …: -READONLY …".
    return error.substr(0, code.size()) == code || error.find(" -" + std::string(code)) != std::string_view::npos;
  });
}

}  // namespace stargazer
