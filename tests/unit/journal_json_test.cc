#include "feed/journal_json.h"

#include <limits>
#include <random>

#include <nlohmann/json.hpp>

#include "support/text_judge.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::testing;
using namespace std::string_literals;

namespace {

std::string bytes_of(const nlohmann::json& value) {
  if (value.is_string()) return value.get<std::string>();
  const auto numbers = value.get<std::vector<unsigned>>();
  return std::string(numbers.begin(), numbers.end());
}

std::string text_of(JournalObject& object, std::size_t limit_bytes = std::numeric_limits<std::size_t>::max()) {
  OutBuffer out;
  object.append_to(out, limit_bytes);
  return std::string(out.view());
}

std::string value(std::string_view name, std::string_view bytes) {
  std::string out(kValueRoomBytes, '\0');
  out.resize(static_cast<std::size_t>(write_json_value(out.data(), name.size(), bytes) - out.data()));
  return out;
}

}  // namespace

TEST_CASE("text of a journal field is what journalctl prints as a string", "[journal_json]") {
  const auto text = GENERATE(values<std::string>({
      "", "plain", "tab\tand\nnewline",
      "\xC2\xA0",          // U+00A0, the first after the C1 controls
      "\xE2\x80\xA8",      // U+2028
      "\xEF\xBB\xBF",      // U+FEFF
      "\xED\x9F\xBF",      // U+D7FF, the last before the surrogates
      "\xEE\x80\x80",      // U+E000, the first after them
      "\xEF\xB7\x8F",      // U+FDCF
      "\xEF\xB7\xB0",      // U+FDF0
      "\xEF\xBF\xBD",      // U+FFFD
      "\xF0\x9F\x9A\x80",  // U+1F680
      "\xF4\x8F\xBF\xBD",  // U+10FFFD
  }));
  CAPTURE(text);
  CHECK(is_journal_text(text));
}

TEST_CASE("anything else is not text", "[journal_json]") {
  const auto bytes = GENERATE(values<std::string>({
      "\0"s,
      "a\0b"s,
      "\r",
      "\x1B[31mred\x1B[0m",
      "\x1F",
      "\x7F",
      "\xC2\x80",              // U+0080
      "\xC2\x9F",              // U+009F
      "\x80",                  // a continuation byte alone
      "\xC3",                  // cut
      "\xE2\x80",              // cut
      "\xF0\x9F\x9A",          // cut
      "\xC3(",                 // no continuation
      "\xC3\xC3",              // no continuation
      "\xC0\xAF",              // overlong
      "\xC1\xBF",              // overlong
      "\xE0\x80\xAF",          // overlong
      "\xE0\x9F\xBF",          // overlong
      "\xF0\x80\x80\xAF",      // overlong
      "\xF0\x8F\xBF\xBF",      // overlong
      "\xED\xA0\x80",          // U+D800
      "\xED\xBF\xBF",          // U+DFFF
      "\xEF\xB7\x90",          // U+FDD0
      "\xEF\xB7\xAF",          // U+FDEF
      "\xEF\xBF\xBE",          // U+FFFE
      "\xF0\x9F\xBF\xBF",      // U+1FFFF
      "\xF4\x8F\xBF\xBF",      // U+10FFFF
      "\xF4\x90\x80\x80",      // U+110000
      "\xF8\x88\x80\x80\x80",  // five bytes
      "\xFF",
  }));
  CAPTURE(bytes);
  CHECK_FALSE(is_journal_text(bytes));
  CHECK_FALSE(is_journal_text("before" + bytes + "after"));
}

TEST_CASE("strings are escaped as journalctl does", "[journal_json]") {
  CHECK(value("MESSAGE", "") == R"("")");
  CHECK(value("MESSAGE", R"(a"b\c/d)") == R"("a\"b\\c/d")");
  CHECK(value("MESSAGE", "\n1\t2\n") == R"("\n1\t2\n")");
  CHECK(value("MESSAGE", "\xC3\xBC") == "\"\xC3\xBC\"");
}

TEST_CASE("bytes that are no text are an array of numbers", "[journal_json]") {
  CHECK(value("MESSAGE", "\x1B[0m") == "[27,91,48,109]");
  CHECK(value("MESSAGE", "\0\xFF"s) == "[0,255]");
}

TEST_CASE("a field of 4096 bytes, its name included, is null", "[journal_json]") {
  CHECK(value("MESSAGE", std::string(4087, 'x')) == '"' + std::string(4087, 'x') + '"');
  CHECK(value("MESSAGE", std::string(4088, 'x')) == "null");
  CHECK(value("MESSAGE", std::string(4087, '\xFF')) != "null");
  CHECK(value("MESSAGE", std::string(4088, '\xFF')) == "null");
  CHECK(value("M", std::string(4093, 'x')) != "null");
  CHECK(value("M", std::string(4094, 'x')) == "null");
}

TEST_CASE("an entry is one object, repeated fields are arrays in their order", "[journal_json]") {
  JournalObject object;
  CHECK(text_of(object) == "{}");

  object.add("TAG", "z");
  object.add("MESSAGE", "hello");
  object.add("TAG", "\x1B");
  object.add("TAG", std::string(5000, 'x'));
  object.add("TAGS", "a");
  CHECK(text_of(object) == R"({"MESSAGE":"hello","TAG":["z",[27],null],"TAGS":"a"})");
  CHECK(text_of(object).size() <= object.bytes_max());

  object.clear();
  object.add("A", "1");
  CHECK(text_of(object) == R"({"A":"1"})");
}

TEST_CASE("a name that journald would not write is left out", "[journal_json]") {
  const auto name = GENERATE(
      values<std::string>({"", "lower", "1ST", "WITH SPACE", "QUOTE\"", "NUL\0"s, "\xFF", std::string(65, 'N')}));
  JournalObject object;
  object.add(name, "x");
  object.add(std::string(64, 'N'), "y");
  CHECK(nlohmann::json::parse(text_of(object)) == nlohmann::json{{std::string(64, 'N'), "y"}});
}

TEST_CASE("beyond a limit the largest values are null, and a member names their fields", "[journal_json]") {
  JournalObject object;
  object.add("__CURSOR", std::string(200, 'c'));
  object.add("MESSAGE", std::string(120, 'm'));
  object.add("TAG", std::string(150, 't'));
  object.add("TAG", "short");
  object.add("SMALL", "s");
  const std::string whole = text_of(object);
  CHECK(text_of(object, whole.size()) == whole);

  auto cut = nlohmann::json::parse(text_of(object, whole.size() - 1));
  CHECK(cut["TAG"] == nlohmann::json::array({nullptr, "short"}));
  CHECK(cut["_STARGAZER_TRUNCATED"] == "TAG");
  CHECK(cut["MESSAGE"] == std::string(120, 'm'));

  object.clear();
  object.add("__CURSOR", std::string(200, 'c'));
  object.add("MESSAGE", std::string(120, 'm'));
  object.add("TAG", std::string(150, 't'));
  object.add("TAG", std::string(149, 't'));
  object.add("SMALL", "s");
  const std::string small = text_of(object, 400);
  cut = nlohmann::json::parse(small);
  CHECK(small.size() <= 400);
  CHECK(cut["__CURSOR"] == std::string(200, 'c'));
  CHECK(cut["TAG"] == nlohmann::json::array({nullptr, nullptr}));
  CHECK(cut["MESSAGE"].is_null());
  CHECK(cut["SMALL"] == "s");
  CHECK(cut["_STARGAZER_TRUNCATED"] == "TAG,MESSAGE");
}

TEST_CASE("any mixture of characters at any place of a block reads back to the same bytes", "[journal_json]") {
  const std::vector<std::string> parts = {"a",
                                          "plain text of more than sixteen bytes",
                                          "\"",
                                          "\\",
                                          "\n",
                                          "\t",
                                          "\xC3\xBC",
                                          "\xE2\x80\xA8",
                                          "\x7F",
                                          "\xEF\xBF\xBE",
                                          "\xF0\x9F\x9A\x80",
                                          "\x1B"};
  std::mt19937 random(20240229);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes;
    // The last two make an array of the value, so most values are without.
    const std::size_t kinds = round % 4 == 0 ? parts.size() : 8;
    for (auto count = random() % 12; count > 0; --count) bytes += parts[random() % kinds];
    bytes.resize(std::min<std::size_t>(bytes.size(), random() % 80));
    const auto parsed = nlohmann::json::parse(value("M", bytes));
    REQUIRE(is_journal_text(bytes) == is_text_by_the_table(bytes));
    REQUIRE(parsed.is_string() == is_text_by_the_table(bytes));
    REQUIRE(bytes_of(parsed) == bytes);
  }
}

TEST_CASE("every single byte and every pair of them gives JSON that reads back to the same bytes", "[journal_json]") {
  for (unsigned first = 0; first < 256; ++first) {
    for (unsigned second = 0; second < 256; ++second) {
      const std::string bytes = {static_cast<char>(first), static_cast<char>(second)};
      const auto json = nlohmann::json::parse(value("M", bytes));
      if (bytes_of(json) != bytes) FAIL("pair " << first << " " << second);
    }
  }
}
