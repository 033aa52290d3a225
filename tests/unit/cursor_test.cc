#include "feed/cursor.h"

#include "unit/catch.h"

using namespace stargazer;

namespace {

const std::string kText =
    "s=00112233445566778899aabbccddeeff;i=1a2b;b=0123456789abcdef0123456789abcdef;m=3c;t=60a24181e4000;x="
    "ffffffffffffffff";

std::string with(const std::string& from, const std::string& to) {
  std::string text = kText;
  return text.replace(text.find(from), from.size(), to);
}

Cursor parsed(const std::string& text) {
  const auto cursor = Cursor::parse(text);
  REQUIRE(cursor.ok());
  return *cursor;
}

}  // namespace

TEST_CASE("a cursor is read into its numbers and written back", "[cursor]") {
  const Cursor cursor = parsed(kText);
  CHECK(to_text(cursor.seqnum_id) == "00112233445566778899aabbccddeeff");
  CHECK(cursor.seqnum == 0x1a2b);
  CHECK(to_text(cursor.boot) == "0123456789abcdef0123456789abcdef");
  CHECK(cursor.monotonic_usec == 0x3c);
  CHECK(cursor.realtime_usec == 0x60a24181e4000);
  CHECK(cursor.xor_hash == 0xffffffffffffffff);
  CHECK(cursor.text() == kText);
}

TEST_CASE("a cursor without a hash is a place", "[cursor]") {
  const std::string place = kText.substr(0, kText.find(";x="));
  CHECK_FALSE(parsed(place).xor_hash.has_value());
  CHECK(parsed(place).text() == place);
  CHECK(parsed(place).same_entry(parsed(kText)));
  Cursor later = parsed(place);
  later.realtime_usec += 1;
  CHECK(later.same_entry(parsed(kText)));
}

TEST_CASE("what is not a cursor is refused", "[cursor]") {
  const std::string text =
      GENERATE(as<std::string>(), "", "s=", std::string(300, 'a'), std::string(120, '\0'), kText + ";", kText + ";y=1",
               " " + kText, kText + "\n", with("s=", "S="), with("s=00", "s="), with("s=00", "s=000"),
               with("s=00", "s=0g"), with("i=1a2b", "i="), with("i=1a2b", "i=11112222333344445"),
               with("i=1a2b", "i=-1"), with("i=1a2b", "i=0x1"), with("i=1a2b;", ""), with(";m=3c", ";m=3c;m=3c"),
               with("x=ffffffffffffffff", "x="), kText.substr(0, 60), with("t=60a24181e4000;", "t=;"));
  CHECK_FALSE(Cursor::parse(text).ok());
}

TEST_CASE("an entry that was copied to another file is the same one", "[cursor]") {
  const Cursor first = parsed(kText);
  Cursor copy = parsed(with("s=00", "s=ff"));
  copy.seqnum = 7;
  CHECK(copy.same_entry(first));
  copy.xor_hash = 1;
  CHECK_FALSE(copy.same_entry(first));
  Cursor next = first;
  next.seqnum += 1;
  CHECK_FALSE(next.same_entry(first));
}

TEST_CASE("cursors are ordered by number, then within a boot, then by the clock", "[cursor]") {
  const Cursor first = parsed(kText);
  Cursor other = first;
  other.seqnum += 1;
  other.realtime_usec = 0;
  CHECK(other.is_after(first));
  CHECK_FALSE(first.is_after(other));
  CHECK_FALSE(first.is_after(first));
  other.seqnum_id[0] = 1;
  other.monotonic_usec = first.monotonic_usec + 1;
  CHECK(other.is_after(first));
  other.boot[0] = 0xee;
  CHECK_FALSE(other.is_after(first));
  other.realtime_usec = first.realtime_usec + 1;
  CHECK(other.is_after(first));
}
