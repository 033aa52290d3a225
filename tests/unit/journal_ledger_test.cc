#include "feed/journal_ledger.h"

#include <limits>

#include "feed/position_check.h"
#include "unit/catch.h"

using namespace stargazer;

namespace {

JournalId id(std::uint8_t number) {
  JournalId id{};
  id.back() = number;
  return id;
}

// The file `number` of a sequence, holding head to tail; a time is a number's thousandfold.
JournalFile file(std::uint8_t number, std::uint8_t sequence, std::uint64_t head, std::uint64_t tail, bool archived) {
  JournalFile file;
  file.path = archived ? "/j/system@" + std::to_string(number) + ".journal" : "/j/system.journal";
  file.inode = number;
  file.file_id = id(number);
  file.seqnum_id = id(sequence);
  file.entries = tail == 0 ? 0 : tail - head + 1;
  file.head_seqnum = head;
  file.tail_seqnum = tail;
  file.head_realtime_usec = head * 1000;
  file.tail_realtime_usec = file.tail_monotonic_usec = tail * 1000;
  file.tail_boot = id(99);
  return file;
}

JournalFile archive(std::uint8_t number, std::uint64_t head, std::uint64_t tail) {
  return file(number, 1, head, tail, true);
}

JournalFile current(std::uint8_t number, std::uint64_t head, std::uint64_t tail) {
  return file(number, 1, head, tail, false);
}

Cursor at(std::uint64_t seqnum, std::uint8_t sequence = 1) {
  Cursor cursor;
  cursor.seqnum_id = id(sequence);
  cursor.seqnum = seqnum;
  cursor.boot = id(99);
  cursor.monotonic_usec = cursor.realtime_usec = seqnum * 1000;
  return cursor;
}

std::uint64_t lost(JournalLedger& ledger, std::vector<JournalFile> files, const Cursor& position) {
  std::uint64_t sum = 0;
  for (const JournalLoss& loss : ledger.update(std::move(files), position)) sum += loss.entries_max;
  return sum;
}

}  // namespace

TEST_CASE("a file that goes away is lost as far as it was not passed", "[journal_ledger]") {
  JournalLedger ledger;
  ledger.begin({archive(1, 1, 100), archive(2, 101, 200), current(3, 201, 250)}, at(40));
  SECTION("nothing of what was passed") {
    ledger.passed(at(150));
    CHECK(lost(ledger, {archive(2, 101, 200), current(3, 201, 250)}, at(150)) == 0);
  }
  SECTION("all of it when the position says so after the fact") {
    // The reader may have come this far by jumping over the deleted file.
    CHECK(lost(ledger, {archive(2, 101, 200), current(3, 201, 250)}, at(150)) == 60);
  }
  SECTION("less when the position is within it") {
    CHECK(lost(ledger, {archive(2, 101, 200), current(3, 201, 250)}, at(90)) == 10);
  }
  SECTION("several") {
    ledger.passed(at(90));
    CHECK(lost(ledger, {current(3, 201, 250)}, at(90)) == 110);
  }
  SECTION("nothing when the end had been reached") {
    ledger.passed_all();
    CHECK(lost(ledger, {}, at(40)) == 0);
  }
  SECTION("nothing twice") {
    CHECK(lost(ledger, {current(3, 201, 250)}, at(40)) == 160);
    CHECK(lost(ledger, {current(3, 201, 260)}, at(40)) == 0);
  }
}

TEST_CASE("of a file that was still written, a loss reaches to the next number", "[journal_ledger]") {
  JournalLedger ledger;
  ledger.begin({current(1, 1, 100)}, at(100));
  SECTION("it had nothing more") {
    CHECK(lost(ledger, {current(2, 101, 120)}, at(100)) == 0);
  }
  SECTION("it had more, or others came and went after it") {
    CHECK(lost(ledger, {current(2, 501, 520)}, at(100)) == 400);
  }
  SECTION("it had more, and all of it was read") {
    CHECK(lost(ledger, {current(2, 501, 520)}, at(500)) == 0);
  }
  SECTION("nothing follows") {
    CHECK(lost(ledger, {}, at(100)) == 0);
  }
  SECTION("rotation alone") {
    CHECK(lost(ledger, {archive(1, 1, 400), current(2, 501, 520)}, at(100)) == 0);
  }
}

TEST_CASE("files of other sequences are passed by time", "[journal_ledger]") {
  JournalLedger ledger;
  ledger.begin({current(1, 1, 100), file(2, 2, 1, 50, true), file(3, 3, 40, 80, true)}, at(60));
  CHECK(lost(ledger, {current(1, 1, 100), file(3, 3, 40, 80, true)}, at(60)) == 0);
  SECTION("not yet") {
    CHECK(lost(ledger, {current(1, 1, 100)}, at(60)) == 41);
  }
  SECTION("by now") {
    ledger.passed(at(81));
    CHECK(lost(ledger, {current(1, 1, 100)}, at(81)) == 0);
  }
}

TEST_CASE("a file without entries is no loss, a damaged one is one", "[journal_ledger]") {
  JournalLedger ledger;
  ledger.begin({current(1, 0, 0), archive(2, 1, 100)}, at(10));
  CHECK(lost(ledger, {archive(2, 1, 100)}, at(10)) == 0);
  JournalFile damaged = archive(2, 0, 0);
  damaged.damage = "has been cut short";
  const auto losses = ledger.update({damaged}, at(10));
  REQUIRE(losses.size() == 1);
  CHECK(losses[0].reason == "has been cut short");
  CHECK(losses[0].entries_max == 90);
  CHECK(ledger.update({damaged}, at(10)).empty());

  damaged.modified_usec = 20'000;
  CHECK(JournalLedger().begin({damaged}, at(10)).size() == 1);
  CHECK(JournalLedger().begin({damaged}, at(30)).empty());
}

TEST_CASE("a saved position is checked against the files", "[position_check]") {
  const WallTime now{std::chrono::microseconds(1'000'000)};
  const std::vector<JournalFile> files = {archive(1, 51, 100), current(2, 151, 200)};
  const auto check = [&](const Cursor& saved, bool found = false) { return check_position(saved, found, files, now); };
  CHECK(check(at(70)).reason.empty());
  CHECK(check(at(5000), true).usable);
  CHECK(check(at(50)).reason.empty());
  CHECK(check(at(49)).usable);
  CHECK(check(at(49)).entries_max == 1);
  CHECK(check(at(120)).entries_max == 30);
  CHECK_FALSE(check(at(201)).usable);
  CHECK_FALSE(check(at(5000, 7)).usable);
  CHECK(check(at(5000, 7)).reason.find("it is from the future: 1970-01-01T00:00:05") == 0);
  CHECK_FALSE(check(at(300, 7)).usable);
  CHECK(check(at(120, 7)).usable);
  CHECK(check(at(120, 7)).reason == "the journal files that held it are gone");
  CHECK(check(at(120, 7)).entries_max == 0);
  Cursor last = at(120, 7);
  last.realtime_usec = std::numeric_limits<std::uint64_t>::max();
  CHECK(check(last).reason.find("it is from the future: 9999-12-31") == 0);
}

TEST_CASE("what is no journal file is seen as damaged", "[journal_files]") {
  JournalFile file;
  std::string header(208, '\0');
  header.replace(0, 8, "LPKSHHRH");
  SECTION("too short") {
    read_journal_header(std::string_view(header).substr(0, 207), 207, file);
    CHECK(file.damage == "is too short");
  }
  SECTION("another signature") {
    header[0] = 'X';
    read_journal_header(header, header.size(), file);
    CHECK(file.damage == "does not begin like a journal file");
  }
  SECTION("it says that it is larger than it is") {
    header[96] = 1;
    read_journal_header(header, 0, file);
    CHECK(file.damage == "has been cut short");
  }
  SECTION("nothing in it") {
    read_journal_header(header, header.size(), file);
    CHECK(file.damage.empty());
    CHECK(file.entries == 0);
  }
}
