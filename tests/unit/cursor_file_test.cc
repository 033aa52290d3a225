#include "feed/cursor_file.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/temporary_directory.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

const std::string kCursor =
    "s=00112233445566778899aabbccddeeff;i=1a2b;b=0123456789abcdef0123456789abcdef;m=3c;t=60a24181e4000;x=ff";
const std::string kLater =
    "s=00112233445566778899aabbccddeeff;i=1a2c;b=0123456789abcdef0123456789abcdef;m=3d;t=60a24181e4001;x=fe";

const FeedSource kSource{"", "", {"stargazer-*.service"}};

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

struct Fixture {
  TemporaryDirectory directory;
  std::filesystem::path path = directory.path() / "feed.cursor";

  void write(const std::string& text) const { std::ofstream(path, std::ios::binary) << text; }
  auto load(const FeedSource& source = kSource) const { return CursorFile::load(path.string(), source); }
};

std::string valid() {
  return CursorFile::render({kSource, {kCursor, kLater}});
}

std::string with(const std::string& from, const std::string& to) {
  std::string text = valid();
  return text.replace(text.find(from), from.size(), to);
}

}  // namespace

TEST_CASE("a position that is saved is loaded by the next start", "[cursor_file]") {
  const Fixture fixture;
  const auto none = fixture.load();
  REQUIRE(none.ok());
  CHECK_FALSE(none->has_value());
  const SavedCursor saved = GENERATE(SavedCursor{kCursor, ""}, SavedCursor{kCursor, kLater});
  REQUIRE(CursorFile::save(fixture.path.string(), kSource, {kLater, kLater}).ok());
  REQUIRE(CursorFile::save(fixture.path.string(), kSource, saved).ok());
  CHECK(**fixture.load() == saved);
  CHECK_FALSE(std::filesystem::exists(fixture.path.string() + ".new"));
}

TEST_CASE("a position is kept when the units change", "[cursor_file]") {
  const Fixture fixture;
  REQUIRE(CursorFile::save(fixture.path.string(), kSource, {kCursor, ""}).ok());
  CHECK((*fixture.load({"", "", {"other"}}))->cursor == kCursor);
}

TEST_CASE("a position in another journal is not trusted", "[cursor_file]") {
  const Fixture fixture;
  REQUIRE(CursorFile::save(fixture.path.string(), {"/srv/logs", "", {"a"}}, {kCursor, ""}).ok());
  const auto [source, told] = GENERATE(table<FeedSource, std::string>({
      {{"", "", {"a"}}, "is a position in /srv/logs, not in the system's journal"},
      {{"/srv/other", "", {"a"}}, "not in /srv/other"},
      {{"", "web", {"a"}}, "not in the system's journal, namespace web"},
  }));
  const auto loaded = fixture.load(source);
  REQUIRE_FALSE(loaded.ok());
  CHECK(loaded.error().message().find(fixture.path.string() + ": ") == 0);
  CHECK(loaded.error().message().find(told) != std::string::npos);
  CHECK(std::filesystem::exists(fixture.path.string() + ".damaged"));
  CHECK_FALSE((*fixture.load(source)).has_value());
}

TEST_CASE("a damaged position is an error once and is kept aside", "[cursor_file]") {
  const Fixture fixture;
  const std::string text =
      GENERATE(as<std::string>(), "", std::string(4096, '\0'), "{", "[]", "null", valid().substr(0, valid().size() / 2),
               with("\"version\": 1", "\"version\": 2"), with("\"version\"", "\"other\""),
               with("\"directory\": \"\"", "\"d\": 1"), with("\"namespace\": \"\"", "\"namespace\": 1"),
               with("stargazer-*.service\"", "a\", 1"), with("units", "unit"), with("\"cursor\"", "\"cursors\""),
               with(kCursor, ""), with(kCursor, "s=1"), with(kLater, "s=1"), with("\"through\"", "\"thorough\""),
               std::string(600 * 1024, ' '), std::string(100'000, '['));
  fixture.write(text);
  const auto loaded = fixture.load();
  REQUIRE_FALSE(loaded.ok());
  CHECK(loaded.error().message().find(fixture.path.string() + ": ") == 0);
  CHECK_FALSE(std::filesystem::exists(fixture.path));
  CHECK(text_of(fixture.path.string() + ".damaged") == text);
  CHECK_FALSE((*fixture.load()).has_value());
}

TEST_CASE("a position that cannot be written leaves the old one", "[cursor_file]") {
  const Fixture fixture;
  REQUIRE(CursorFile::save(fixture.path.string(), kSource, {kCursor, ""}).ok());
  std::filesystem::create_directory(fixture.path.string() + ".new");
  const Status status = CursorFile::save(fixture.path.string(), kSource, {kLater, ""});
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().message().find("feed.cursor.new") != std::string::npos);
  CHECK((*fixture.load())->cursor == kCursor);
}

TEST_CASE("what is not a file is no position, and stays", "[cursor_file]") {
  const Fixture fixture;
  std::filesystem::create_directory(fixture.path);
  CHECK_FALSE(fixture.load().ok());
  CHECK(std::filesystem::exists(fixture.path));
}
