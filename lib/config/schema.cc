#include "config/schema.h"

namespace stargazer {

void KeyOrigins::note(std::string_view key, Origin origin) {
  for (auto& [name, noted] : origins_) {
    if (name != key) continue;
    noted = origin;
    return;
  }
  origins_.emplace_back(key, origin);
}

const Origin* KeyOrigins::find(std::string_view key) const {
  for (const auto& [name, origin] : origins_) {
    if (name == key) return &origin;
  }
  return nullptr;
}

bool KeyOrigins::set_in(std::string_view key, std::uint32_t file) const {
  const Origin* origin = find(key);
  return origin != nullptr && origin->file == file;
}

}  // namespace stargazer
