// A worker's output in hostile pieces. The lines are those of the whole stream, and none is longer than the limit.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "io/line_splitter.h"

namespace {

struct Line {
  std::string text;
  bool cut;
  bool operator==(const Line&) const = default;
};

std::vector<Line> lines_of(std::string_view stream, std::size_t line_bytes_max, std::string_view piece_sizes) {
  std::vector<Line> lines;
  stargazer::LineSplitter splitter(line_bytes_max, [&](std::string_view text, bool cut) {
    if (text.size() > line_bytes_max || text.find('\n') != std::string_view::npos) std::abort();
    if (cut && text.size() != line_bytes_max) std::abort();
    lines.push_back({std::string(text), cut});
  });
  for (std::size_t turn = 0; !stream.empty(); ++turn) {
    const std::size_t size =
        piece_sizes.empty() ? stream.size() : static_cast<unsigned char>(piece_sizes[turn % piece_sizes.size()]);
    const std::string_view piece = stream.substr(0, size == 0 ? 1 : size);
    splitter.feed(piece);
    stream.remove_prefix(piece.size());
  }
  splitter.finish();
  return lines;
}

}  // namespace

// Input: the limit, a count of piece sizes, those sizes, the stream.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t limit = data[0] % 64 + std::size_t{1};
  const std::string_view sizes = all.substr(2, data[1] % 16);
  const std::string_view stream = all.substr(2 + sizes.size());
  if (lines_of(stream, limit, sizes) != lines_of(stream, limit, "")) std::abort();
  return 0;
}
