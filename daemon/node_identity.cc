#include "daemon/node_identity.h"

#include <array>
#include <cstdlib>
#include <string_view>
#include <sys/random.h>
#include <unistd.h>

namespace stargazer {

std::uint64_t random_number() {
  std::uint64_t number = 0;
  // getrandom(2) cannot fail for eight bytes once the kernel has booted.
  if (getrandom(&number, sizeof number, 0) != sizeof number) std::abort();
  return number;
}

std::string hex(std::uint64_t number, std::size_t digits) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t place = 0; place < digits; ++place) text += kDigits[(number >> (4 * place)) & 15];
  return text;
}

std::string node_id(const NodeConfig& config) {
  if (config.id.empty()) return "standalone";
  if (config.id != "auto") return config.id;
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) return "node-" + hex(random_number(), 8);
  return std::string(host.data()) + "-" + hex(random_number(), 8);
}

}  // namespace stargazer
