// The reader's position in journals that are written, rotated and vacuumed by a real journald.
#include "feed/journal_reader.h"

#include <fstream>

#include <nlohmann/json.hpp>

#include "support/journal_maker.h"
#include "support/journald.h"
#include "support/temporary_directory.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

constexpr const char* kUnit = "stargazer.service";
constexpr const char* kOther = "other.service";

std::vector<std::string> numbered(int first, int count) {
  std::vector<std::string> messages;
  for (int i = first; i < first + count; ++i) messages.push_back(std::to_string(i));
  return messages;
}

// A reader as a start of the daemon has one.
struct Start {
  JournalReader reader;

  Start(const std::filesystem::path& directory, const StartAt& at, const std::vector<std::string>& units = {kUnit})
      : reader(units, directory.string()) {
    const Status status = reader.open(at);
    INFO((status ? "" : status.error().message()));
    REQUIRE(status.ok());
  }

  // The messages up to the end.
  std::vector<std::string> read(std::size_t at_most = 1'000'000) {
    std::vector<std::string> messages;
    REQUIRE(reader.process().ok());
    while (messages.size() < at_most && read_one(messages)) {
    }
    return messages;
  }

  bool read_one(std::vector<std::string>& messages) {
    const auto found = reader.next();
    INFO((found ? "" : found.error().message()));
    REQUIRE(found.ok());
    OutBuffer entry;
    if (*found && reader.append_entry(entry).ok()) {
      messages.push_back(nlohmann::json::parse(entry.view())["MESSAGE"].get<std::string>());
    }
    return *found;
  }

  StartAt position() const { return {reader.safe_cursor(), 50, {}, reader.through_cursor()}; }

  std::vector<Gap> gaps() {
    std::vector<Gap> all;
    while (auto gap = reader.take_gap()) all.push_back(std::move(*gap));
    return all;
  }
};

StartAt all() {
  return {"", 1'000'000};
}

#define NEEDS_JOURNALD()                                                        \
  if (!Journald::possible()) {                                                  \
    WARN("no journald of our own here: needs systemd, and root or namespaces"); \
    return;                                                                     \
  }

}  // namespace

TEST_CASE("a start goes on after the saved position", "[journal_reader]") {
  NEEDS_JOURNALD();
  const Journald journald;
  journald.send(kUnit, numbered(0, 10));
  StartAt position;
  {
    Start first(journald.directory(), all());
    CHECK(first.reader.safe_cursor().empty());
    CHECK(first.read(4) == numbered(0, 4));
    position = first.position();
  }
  if (GENERATE(false, true)) journald.rotate();
  journald.send(kOther, {"not ours"});
  journald.send(kUnit, numbered(10, 3));
  Start second(journald.directory(), position);
  CHECK(second.read() == numbered(4, 9));
  CHECK(second.gaps().empty());
  CHECK(second.reader.take_notice().empty());
}

TEST_CASE("a unit that has not logged yet has a position, too", "[journal_reader]") {
  NEEDS_JOURNALD();
  const Journald journald;
  journald.send(kOther, numbered(0, 10));
  StartAt position;
  {
    Start first(journald.directory(), all());
    CHECK(first.read().empty());
    position = first.position();
    REQUIRE_FALSE(position.after_cursor.empty());
  }
  journald.send(kUnit, numbered(0, 60));
  Start second(journald.directory(), position);
  CHECK(second.read() == numbered(0, 60));
  CHECK(second.gaps().empty());
}

TEST_CASE("a vacuum of what was published is no gap", "[journal_reader]") {
  NEEDS_JOURNALD();
  const Journald journald;
  Start reader(journald.directory(), all());
  for (int round = 0; round < 5; ++round) {
    journald.send(kUnit, numbered(round * 10, 10));
    journald.send(kOther, numbered(0, 100));
    CHECK(reader.read() == numbered(round * 10, 10));
    journald.rotate();
    if (round % 2 == 0) CHECK(reader.read().empty());
    journald.vacuum(0);
  }
  CHECK(reader.read().empty());
  CHECK(reader.gaps().empty());

  SECTION("nor for the next start") {
    journald.send(kUnit, numbered(50, 2));
    Start next(journald.directory(), reader.position());
    CHECK(next.read() == numbered(50, 2));
    CHECK(next.gaps().empty());
  }
}

TEST_CASE("what is deleted before it was read is a gap", "[journal_reader]") {
  NEEDS_JOURNALD();
  const Journald journald;
  journald.send(kUnit, numbered(0, 10));
  Start reader(journald.directory(), all());
  REQUIRE(reader.read(3) == numbered(0, 3));
  const std::string third = reader.reader.cursor();

  SECTION("while the daemon runs") {
    REQUIRE(reader.reader.process().ok());
    journald.rotate();
    journald.vacuum(0);
    journald.send(kUnit, {"after"});
    CHECK(reader.read() == std::vector<std::string>{"after"});
    const auto gaps = reader.gaps();
    REQUIRE(gaps.size() == 1);
    CHECK(gaps[0].after_cursor == third);
    CHECK(gaps[0].entries_max >= 7);
    CHECK(gaps[0].entries_max < 20);
    CHECK(gaps[0].reason.find("was deleted before all of it was read") != std::string::npos);
  }
  SECTION("while it does not") {
    journald.rotate();
    journald.send(kUnit, {"after"});
    const bool kept = GENERATE(false, true);
    if (!kept) journald.vacuum(0);
    Start next(journald.directory(), reader.position());
    const auto gaps = next.gaps();
    CHECK(next.read().back() == "after");
    CHECK(gaps.empty() == kept);
    if (kept) return;
    REQUIRE(gaps.size() == 1);
    CHECK(gaps[0].after_cursor == third);
    CHECK(gaps[0].next_cursor == next.reader.cursor());
    CHECK(gaps[0].entries_max >= 7);
    CHECK(gaps[0].entries_max < 20);
  }
}

TEST_CASE("files that come and go while the reader stands still are a gap", "[journal_reader]") {
  NEEDS_JOURNALD();
  const Journald journald;
  journald.send(kUnit, numbered(0, 10));
  Start reader(journald.directory(), all());
  REQUIRE(reader.read() == numbered(0, 10));
  for (int round = 1; round < 4; ++round) {
    journald.rotate();
    journald.send(kUnit, numbered(round * 10, 10));
  }
  journald.rotate();
  journald.vacuum(0);
  journald.send(kUnit, {"after"});
  CHECK(reader.read() == std::vector<std::string>{"after"});
  std::uint64_t lost = 0;
  for (const Gap& gap : reader.gaps()) lost += gap.entries_max;
  CHECK(lost >= 30);
  CHECK(lost < 60);
}

TEST_CASE("the entries of a unit that only the next start knows come, and no others twice", "[journal_reader]") {
  NEEDS_JOURNALD();
  const Journald journald;
  const std::vector<std::string> units = {"stargazer-*.service"};
  journald.send("stargazer-a.service", {"a0"});
  Start first(journald.directory(), all(), units);
  // Both are written after the units were looked for, and only the known one is returned.
  journald.send("stargazer-b.service", {"b0", "b1"});
  journald.send("stargazer-a.service", {"a1", "a2"});
  REQUIRE(first.read() == std::vector<std::string>{"a0", "a1", "a2"});
  const StartAt position = first.position();
  journald.send("stargazer-b.service", {"b2"});

  SECTION("with both cursors nothing is repeated") {
    Start second(journald.directory(), position, units);
    CHECK(second.read() == std::vector<std::string>{"b0", "b1", "b2"});
    CHECK(second.read().empty());
    CHECK(Start(journald.directory(), second.position(), units).read().empty());
  }
  SECTION("a crash while catching up loses nothing and repeats only that") {
    StartAt again;
    {
      Start second(journald.directory(), position, units);
      REQUIRE(second.read(1) == std::vector<std::string>{"b0"});
      again = second.position();
    }
    Start third(journald.directory(), again, units);
    CHECK(third.read() == std::vector<std::string>{"b0", "b1", "b2"});
  }
  SECTION("with the safe one alone nothing is missed") {
    Start second(journald.directory(), {position.after_cursor}, units);
    CHECK(second.read() == std::vector<std::string>{"b0", "b1", "a1", "a2", "b2"});
  }
}

TEST_CASE("a position that is not of this journal is told and not used", "[journal_reader]") {
  NEEDS_JOURNALD();
  const Journald journald;
  journald.send(kUnit, numbered(0, 5));
  std::string cursor;
  {
    Start first(journald.directory(), all());
    first.read();
    cursor = first.reader.cursor();
  }
  Cursor foreign = *Cursor::parse(cursor);
  std::string told;
  SECTION("from the future") {
    foreign.seqnum_id[0] ^= 1U;
    foreign.boot[0] ^= 1U;
    foreign.realtime_usec += std::uint64_t{1} << 50U;
    told = "it is from the future: 20";
  }
  SECTION("ahead of its sequence, as after a restored snapshot") {
    foreign.seqnum += 1000;
    told = "it is ahead of the journal";
  }
  SECTION("of another journal, newer than all of this one") {
    foreign.seqnum_id[0] ^= 1U;
    foreign.boot[0] ^= 1U;
    foreign.realtime_usec += 1;
    told = "it is not of this journal";
  }
  Start second(journald.directory(), {foreign.text(), 2});
  CHECK(second.reader.take_notice().find("the saved position is not used: " + told) == 0);
  CHECK(second.reader.take_notice().empty());
  CHECK(second.read() == numbered(3, 2));
  CHECK(second.gaps().empty());
}

TEST_CASE("a text that is no position is told and not used", "[journal_reader]") {
  const TemporaryDirectory directory;
  JournalMaker(directory.path() / "a.journal").append({{{"MESSAGE", "0"}, {"_SYSTEMD_UNIT", kUnit}}});
  Start start(directory.path(), {"s=nonsense", 5});
  CHECK(start.reader.take_notice() == "the saved position is not used: it is not the cursor of a journal entry");
  CHECK(start.read() == numbered(0, 1));
}

TEST_CASE("a journal that cannot be read in a place is stepped past, and that is a gap", "[journal_reader]") {
  NEEDS_JOURNALD();
  Journald journald;
  journald.send(kUnit, numbered(0, 10));
  journald.rotate();
  journald.send(kUnit, numbered(10, 10));
  Start reader(journald.directory(), all());
  REQUIRE(reader.read(2) == numbered(0, 2));
  const StartAt position = reader.position();
  journald.end();
  const bool cut = GENERATE(false, true);
  for (const auto& found : std::filesystem::recursive_directory_iterator(journald.directory())) {
    const std::string path = found.path().string();
    if (path.find("system@") == std::string::npos) continue;
    if (cut) std::filesystem::resize_file(path, 4096);
    if (!cut) std::fstream(path, std::ios::in | std::ios::out | std::ios::binary) << "damaged!";
  }
  Start next(journald.directory(), position);
  CHECK(next.read() == numbered(10, 10));
  const auto gaps = next.gaps();
  REQUIRE(gaps.size() >= 1);
  CHECK(gaps[0].after_cursor == position.after_cursor);
}
