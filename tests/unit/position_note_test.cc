#include "feed/position_note.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "feed/position_keeper.h"
#include "support/temporary_directory.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

// The cursor of an entry with this number, a second after the one before.
std::string cursor(int number) {
  const std::string id = "0123456789abcdef0123456789abcdef";
  return "s=" + id + ";i=" + std::to_string(number) + ";b=" + id + ";m=" + std::to_string(number) + "f4240;t=5" +
         std::to_string(number) + "f4240;x=7";
}

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_all(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

struct Fixture {
  TemporaryDirectory folder;
  std::string path = folder.path() / "feed.cursor";
  std::string note_path = path + ".now";
  FeedSource source{"/journal", "", {"stargazer"}};

  // What a feed that starts now is told.
  std::optional<SavedCursor> loaded() {
    PositionKeeper keeper(path, source);
    const auto position = keeper.load();
    REQUIRE(position.ok());
    return *position;
  }
};

}  // namespace

TEST_CASE("a note is read as it was written", "[position_note]") {
  Fixture fixture;
  PositionNote note;
  REQUIRE(note.open(fixture.note_path).ok());
  CHECK_FALSE(PositionNote::read(fixture.note_path));
  const SavedCursor first{cursor(1), ""};
  note.write({cursor(4), cursor(5)});
  note.write(first);
  CHECK(PositionNote::read(fixture.note_path) == first);
  CHECK(std::filesystem::file_size(fixture.note_path) == PositionNote::kBytes);
  note.write({cursor(2), cursor(3)});
  CHECK(PositionNote::read(fixture.note_path) == SavedCursor{cursor(2), cursor(3)});
  note.forget();
  CHECK_FALSE(PositionNote::read(fixture.note_path));
}

TEST_CASE("a note that is not whole is none", "[position_note]") {
  Fixture fixture;
  CHECK_FALSE(PositionNote::read(fixture.note_path));
  PositionNote note;
  REQUIRE(note.open(fixture.note_path).ok());
  note.write({cursor(1), cursor(2)});
  const std::string whole = read_all(fixture.note_path);
  const std::size_t end = whole.find('\n');
  for (std::size_t at = 0; at <= end; ++at) {
    std::string torn = whole;
    torn[at] = torn[at] == 'a' ? 'b' : 'a';
    write_all(fixture.note_path, torn);
    CHECK_FALSE(PositionNote::read(fixture.note_path));
    write_all(fixture.note_path, whole.substr(0, at));
    CHECK_FALSE(PositionNote::read(fixture.note_path));
  }
  write_all(fixture.note_path, std::string(100'000, '\0'));
  CHECK_FALSE(PositionNote::read(fixture.note_path));
  std::filesystem::remove(fixture.note_path);
  std::filesystem::create_directory(fixture.note_path);
  CHECK_FALSE(PositionNote::read(fixture.note_path));
}

TEST_CASE("a position is noted before it is written to its file", "[position_note]") {
  Fixture fixture;
  PositionKeeper keeper(fixture.path, fixture.source);
  REQUIRE(keeper.load().ok());
  keeper.store({cursor(1), ""});
  CHECK(PositionNote::read(fixture.note_path) == SavedCursor{cursor(1), ""});
  keeper.store({cursor(2), cursor(3)});
  CHECK(PositionNote::read(fixture.note_path) == SavedCursor{cursor(2), cursor(3)});
}

TEST_CASE("the newer one of the file and its note is where the feed goes on", "[position_note]") {
  Fixture fixture;
  PositionNote note;
  REQUIRE(CursorFile::save(fixture.path, fixture.source, {cursor(5), ""}).ok());
  CHECK(fixture.loaded() == SavedCursor{cursor(5), ""});
  REQUIRE(note.open(fixture.note_path).ok());

  SECTION("the note, as after a kill") {
    note.write({cursor(6), ""});
    CHECK(fixture.loaded() == SavedCursor{cursor(6), ""});
  }
  SECTION("the file, as after a power cut") {
    note.write({cursor(4), ""});
    CHECK(fixture.loaded() == SavedCursor{cursor(5), ""});
  }
  SECTION("the note when both have the same last entry: it may know of more that is to be looked for") {
    note.write({cursor(3), cursor(5)});
    CHECK(fixture.loaded() == SavedCursor{cursor(3), cursor(5)});
  }
  SECTION("neither in another journal, and the note is forgotten") {
    note.write({cursor(6), ""});
    fixture.source.directory = "/another";
    {
      PositionKeeper keeper(fixture.path, fixture.source);
      CHECK_FALSE(keeper.load().ok());
    }
    CHECK_FALSE(PositionNote::read(fixture.note_path));
  }
  SECTION("nor when there is a note alone") {
    std::filesystem::remove(fixture.path);
    note.write({cursor(6), ""});
    CHECK_FALSE(fixture.loaded());
    CHECK_FALSE(PositionNote::read(fixture.note_path));
  }
}

TEST_CASE("a note that cannot be made is told, and the file does without", "[position_note]") {
  Fixture fixture;
  std::filesystem::create_directory(fixture.note_path);
  PositionKeeper keeper(fixture.path, fixture.source);
  REQUIRE(keeper.load().ok());
  const auto told = keeper.take_result();
  REQUIRE(told);
  CHECK(told->error().message().find("after a kill entries of the last second will come again: ") == 0);
  keeper.store({cursor(1), ""});
}
