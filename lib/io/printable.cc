#include "io/printable.h"

namespace stargazer {

std::string printable(std::string_view text, std::size_t bytes_max) {
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  std::string shown;
  for (const char character : text.substr(0, bytes_max)) {
    if (character >= ' ' && character <= '~') {
      shown += character;
      continue;
    }
    const auto byte = static_cast<unsigned char>(character);
    shown += "\\x";
    shown += kHexDigits[byte >> 4U];
    shown += kHexDigits[byte & 0xFU];
  }
  if (text.size() > bytes_max) shown += "…";
  return shown;
}

}  // namespace stargazer
