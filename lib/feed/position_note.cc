#include "feed/position_note.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>

#include "feed/cursor.h"
#include "io/system_error.h"

namespace stargazer {
namespace {

using Block = std::array<char, PositionNote::kBytes>;

// A block is "MARK SUM CURSOR THROUGH\n" and spaces; THROUGH is "-" when it is empty.
constexpr std::string_view kMark = "stargazer-feed-1";
constexpr std::string_view kNone = "-";

// FNV-1a: it need only tell a block that was torn from one that is whole.
std::uint64_t sum_of(std::string_view text) {
  std::uint64_t sum = 0xcbf29ce484222325U;
  for (const char byte : text) sum = (sum ^ static_cast<unsigned char>(byte)) * 0x100000001b3U;
  return sum;
}

std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

std::optional<SavedCursor> parse(std::string_view line) {
  if (take_word(line) != kMark) return {};
  const std::string_view sum = take_word(line);
  std::uint64_t wanted = 0;
  const auto [end, error] = std::from_chars(sum.data(), sum.data() + sum.size(), wanted, 16);
  if (error != std::errc() || end != sum.data() + sum.size() || wanted != sum_of(line)) return {};
  const std::string_view cursor = take_word(line);
  const std::string_view through = line == kNone ? std::string_view() : line;
  if (!Cursor::parse(cursor) || (!through.empty() && !Cursor::parse(through))) return {};
  return SavedCursor{std::string(cursor), std::string(through)};
}

}  // namespace

std::optional<SavedCursor> PositionNote::read(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  Block block{};
  const ssize_t count = fd ? pread(fd.get(), block.data(), block.size(), 0) : -1;
  if (count <= 0) return {};
  const std::string_view text(block.data(), static_cast<std::size_t>(count));
  const std::size_t end = text.find('\n');
  return end == std::string_view::npos ? std::nullopt : parse(text.substr(0, end));
}

Status PositionNote::open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0600));
  if (!fd) return system_error(path, errno);
  if (const int error = posix_fallocate(fd.get(), 0, kBytes); error != 0) return system_error(path, error);
  fd_ = std::move(fd);
  return {};
}

void PositionNote::write(const SavedCursor& position) {
  if (!fd_) return;
  const std::string cursors =
      position.cursor + " " + (position.through.empty() ? std::string(kNone) : position.through);
  std::array<char, 17> sum{};
  const auto sum_end = std::to_chars(sum.begin(), sum.end(), sum_of(cursors), 16).ptr;
  std::string line = std::string(kMark) + " ";
  line.append(sum.begin(), sum_end).append(" ").append(cursors).append("\n");
  Block block;
  block.fill(' ');
  if (line.size() > block.size()) return fd_.reset();
  std::memcpy(block.data(), line.data(), line.size());
  if (pwrite(fd_.get(), block.data(), block.size(), 0) != static_cast<ssize_t>(block.size())) fd_.reset();
}

void PositionNote::forget() {
  const Block blank{};
  if (fd_ && pwrite(fd_.get(), blank.data(), blank.size(), 0) < 0) fd_.reset();
}

}  // namespace stargazer
