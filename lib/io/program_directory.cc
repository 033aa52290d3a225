#include "io/program_directory.h"

#include <array>
#include <string_view>
#include <unistd.h>

namespace stargazer {

std::string directory_of_this_program() {
  std::array<char, 4096> path{};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  const std::string_view text(path.data(), length < 0 ? 0 : static_cast<std::size_t>(length));
  const auto slash = text.rfind('/');
  return std::string(text.substr(0, slash == std::string_view::npos ? 0 : slash));
}

}  // namespace stargazer
