#include "io/printable.h"

#include "unit/catch.h"

using stargazer::printable;

TEST_CASE("outside text is made safe for a log line", "[printable]") {
  CHECK(printable("plain ~text", 100) == "plain ~text");
  CHECK(printable(std::string_view("a\n\x1b[0m\0\xff", 8), 100) == "a\\x0a\\x1b[0m\\x00\\xff");
  CHECK(printable("abcdef", 6) == "abcdef");
  CHECK(printable("abcdefg", 6) == "abcdef…");
  CHECK(printable("", 0).empty());
}
