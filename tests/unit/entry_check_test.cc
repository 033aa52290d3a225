// Entries whose last fields journald has not linked yet.
#include "feed/entry_check.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>

#include <nlohmann/json.hpp>

#include "feed/journal_reader.h"
#include "support/journal_maker.h"
#include "support/temporary_directory.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

constexpr const char* kUnit = "stargazer.service";
constexpr std::string_view kField = "SEEN=ngc 1300";

// Of a data object: the number of entries that have it, and how far the payload lies behind the object's begin in
// files of the compact kind (systemd.io/JOURNAL_FILE_FORMAT).
constexpr std::size_t kEntriesOffset = 56;
constexpr std::size_t kPayloadOffset = 64;
constexpr std::size_t kPayloadOffsetCompact = 72;
constexpr std::size_t kIncompatibleFlagsOffset = 12;
constexpr unsigned kCompactFlag = 16;

std::uint64_t uptime_usec() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::floor<std::chrono::microseconds>(now).count());
}

// A journal with one entry, whose field kField journald has put into the file and not linked yet.
class HalfWritten {
 public:
  explicit HalfWritten(std::uint64_t monotonic_usec) {
    JournalMaker maker(file_, JournalMaker::realtime_usec_at(monotonic_usec));
    maker.append({{{"_SYSTEMD_UNIT", kUnit}, {"MESSAGE", "a galaxy"}, {"SEEN", "ngc 1300"}}});
    std::ifstream in(file_, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    const std::size_t payload = bytes.find(kField);
    REQUIRE(payload != std::string::npos);
    const bool compact = (static_cast<unsigned char>(bytes[kIncompatibleFlagsOffset]) & kCompactFlag) != 0;
    entries_at_ = payload - (compact ? kPayloadOffsetCompact : kPayloadOffset) + kEntriesOffset;
    REQUIRE(bytes[entries_at_] == 1);
    link(0);
  }

  void finish() { link(1); }

  std::string directory() const { return folder_.path().string(); }

 private:
  void link(char entries) {
    std::fstream out(file_, std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(static_cast<std::streamoff>(entries_at_)).put(entries);
  }

  TemporaryDirectory folder_;
  const std::filesystem::path file_ = folder_.path() / "a.journal";
  std::size_t entries_at_ = 0;
};

// What of it the reader gives.
nlohmann::json read_entry(JournalReader& reader) {
  OutBuffer out;
  const auto found = reader.next();
  REQUIRE((found && *found));
  const auto appended = reader.append_entry(out);
  REQUIRE((appended && *appended));
  return nlohmann::json::parse(out.view());
}

JournalReader open_reader(const HalfWritten& journal) {
  JournalReader reader({kUnit}, journal.directory());
  REQUIRE(reader.open({"", 10}).ok());
  return reader;
}

void sleep_until_uptime(std::uint64_t usec) {
  while (uptime_usec() < usec) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

// Longer than to write the file and open it takes.
constexpr std::uint64_t kAheadUsec = 3'000'000;

}  // namespace

TEST_CASE("a field is hashed as journald hashes it", "[entry_check]") {
  CHECK((journal_hash("MESSAGE=hello there") ^ journal_hash("_SYSTEMD_UNIT=stargazer.service") ^
         journal_hash("SENT_NS=12345") ^ journal_hash("_BOOT_ID=80fcd6e0bd5141afbd03713a4286d5b3")) ==
        0x0c269e298fc2480fU);  // as systemd-journal-remote of systemd 252 wrote it
  CHECK(journal_hash("") == 0xdeadbeefdeadbeefU);
}

TEST_CASE("an entry is read when journald is done with it", "[entry_check]") {
  REQUIRE(can_make_journals());
  const std::uint64_t written = uptime_usec() + kAheadUsec;
  HalfWritten journal(written);
  JournalReader reader = open_reader(journal);
  sleep_until_uptime(written);
  SECTION("soon") {
    std::thread journald([&journal] {
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      journal.finish();
    });
    const auto entry = read_entry(reader);
    journald.join();
    CHECK(entry["SEEN"] == "ngc 1300");
    CHECK(reader.take_notice().empty());
  }
  SECTION("or without what it does not finish, and that is told") {
    const auto entry = read_entry(reader);
    CHECK(entry["MESSAGE"] == "a galaxy");
    CHECK_FALSE(entry.contains("SEEN"));
    CHECK(uptime_usec() >= written + 250'000);
    CHECK(reader.take_notice().find("journald does not finish an entry") == 0);
  }
}

TEST_CASE("an old entry is not waited for", "[entry_check]") {
  REQUIRE(can_make_journals());
  HalfWritten journal(1000);
  JournalReader reader = open_reader(journal);
  const std::uint64_t before = uptime_usec();
  CHECK_FALSE(read_entry(reader).contains("SEEN"));
  CHECK(uptime_usec() < before + 250'000);
}

TEST_CASE("fields that the sender gave twice are no missing ones", "[entry_check]") {
  REQUIRE(can_make_journals());
  const TemporaryDirectory folder;
  const std::uint64_t written = uptime_usec() + kAheadUsec;
  const std::vector<std::string> twice = GENERATE(std::vector<std::string>{"1"}, std::vector<std::string>{"1", "2"});
  JournalEntry entry = {{"_SYSTEMD_UNIT", kUnit}, {"MESSAGE", "a galaxy"}};
  for (const std::string& value : twice) entry.insert(entry.end(), {{"SEEN", value}, {"SEEN", value}});
  JournalMaker(folder.path() / "a.journal", JournalMaker::realtime_usec_at(written)).append({entry});
  JournalReader reader({kUnit}, folder.path().string());
  REQUIRE(reader.open({"", 10}).ok());
  sleep_until_uptime(written);
  read_entry(reader);
  CHECK(reader.take_notice().empty());
}
