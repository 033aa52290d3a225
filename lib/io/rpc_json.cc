#include "io/rpc_json.h"

namespace stargazer {

bool nests_deeper(std::string_view text, int depth_max) {
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
      if (++depth > depth_max) return true;
    } else if (byte == '}' || byte == ']') {
      --depth;
    }
  }
  return false;
}

std::string bounded_text(const std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end) + " […cut]";
}

}  // namespace stargazer
