#include "io/line_splitter.h"

#include <vector>

#include "unit/catch.h"

using namespace stargazer;

namespace {

// The lines of `stream` fed in pieces of `piece` bytes; a cut one ends in "<cut>".
std::vector<std::string> lines_of(const std::string& stream, std::size_t piece, std::size_t line_bytes_max = 8) {
  std::vector<std::string> lines;
  LineSplitter splitter(line_bytes_max, [&](std::string_view text, bool cut) {
    lines.push_back(std::string(text) + (cut ? "<cut>" : ""));
  });
  for (std::size_t at = 0; at < stream.size(); at += piece) splitter.feed(std::string_view(stream).substr(at, piece));
  splitter.finish();
  return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a stream is cut into the same lines whatever the pieces", "[line_splitter]") {
  const auto [stream, expected] = GENERATE(table<std::string, Lines>({
      {"", {}},
      {"a", {"a"}},
      {"a\n", {"a"}},
      {"\n", {""}},
      {"\n\na\n\n", {"", "", "a", ""}},
      {"a\nb", {"a", "b"}},
      {"a\r\nb\r\r\nc\rd\n", {"a", "b", "c\rd"}},
      {"\r", {""}},
      {"12345678\nx", {"12345678", "x"}},
      {"123456789\nx\n", {"12345678<cut>", "x"}},
      {"1234567890123456789012345\nx\n", {"12345678<cut>", "x"}},
      {"1234567890", {"12345678<cut>"}},
      {std::string("\0\n\0", 3), {std::string("\0", 1), std::string("\0", 1)}},
  }));
  for (std::size_t piece = 1; piece <= stream.size() + 1; ++piece) {
    INFO(stream << " in pieces of " << piece);
    CHECK(lines_of(stream, piece) == expected);
  }
}

TEST_CASE("an endless line takes the memory of one line", "[line_splitter]") {
  std::size_t lines = 0;
  LineSplitter splitter(1, [&](std::string_view text, bool cut) {
    ++lines;
    CHECK(text == "x");
    CHECK(cut);
  });
  const std::string much(1 << 20, 'x');
  for (int round = 0; round < 64; ++round) splitter.feed(much);
  CHECK(lines == 0);
  splitter.finish();
  splitter.finish();
  CHECK(lines == 1);
}
