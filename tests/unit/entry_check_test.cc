// Entries whose last fields journald has not linked yet.
#include "feed/entry_check.h"

#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/mman.h>
#include <thread>

#include <nlohmann/json.hpp>

#include "feed/journal_reader.h"
#include "io/unique_fd.h"
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

// A journal in whose file the writer has not yet linked the entry of `field` with it. Linked are `entries` of them.
class HalfLinked {
 public:
  HalfLinked(const std::vector<JournalEntry>& written, std::string_view field, char entries) {
    JournalMaker(file_).append(written);
    std::ifstream in(file_, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    const std::size_t payload = bytes.find(field);
    REQUIRE(payload != std::string::npos);
    const bool compact = (static_cast<unsigned char>(bytes[kIncompatibleFlagsOffset]) & kCompactFlag) != 0;
    entries_at_ = payload - (compact ? kPayloadOffsetCompact : kPayloadOffset) + kEntriesOffset;
    REQUIRE(bytes[entries_at_] == entries + 1);
    link(entries);
  }

  // Without a notice, as journald does it: in the memory that is the file.
  void link(char entries) const {
    const UniqueFd file(open(file_.c_str(), O_RDWR | O_CLOEXEC));
    const std::size_t bytes = std::filesystem::file_size(file_);
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    REQUIRE(memory != MAP_FAILED);
    static_cast<char*>(memory)[entries_at_] = entries;
    munmap(memory, bytes);
  }

  // The notice that journald gives later.
  void notify() const { std::filesystem::resize_file(file_, std::filesystem::file_size(file_)); }

  std::string directory() const { return folder_.path().string(); }

 private:
  TemporaryDirectory folder_;
  const std::filesystem::path file_ = folder_.path() / "a.journal";
  std::size_t entries_at_ = 0;
};

const JournalEntry kSeen = {{"_SYSTEMD_UNIT", kUnit}, {"MESSAGE", "a galaxy"}, {"SEEN", "ngc 1300"}};
const JournalEntry kNext = {{"_SYSTEMD_UNIT", kUnit}, {"MESSAGE", "a comet"}};

// What of it the reader gives.
nlohmann::json read_entry(JournalReader& reader) {
  OutBuffer out;
  const auto found = reader.next();
  REQUIRE((found && *found));
  const auto appended = reader.append_entry(out);
  REQUIRE((appended && *appended));
  return nlohmann::json::parse(out.view());
}

JournalReader open_reader(const std::string& directory) {
  JournalReader reader({kUnit}, directory);
  REQUIRE(reader.open({"", 10}).ok());
  return reader;
}

bool waits_to_the_end(std::chrono::steady_clock::time_point since) {
  return std::chrono::steady_clock::now() - since >= JournalReader::kFieldsWithin;
}

}  // namespace

TEST_CASE("a field is hashed as journald hashes it", "[entry_check]") {
  CHECK((journal_hash("MESSAGE=hello there") ^ journal_hash("_SYSTEMD_UNIT=stargazer.service") ^
         journal_hash("SENT_NS=12345") ^ journal_hash("_BOOT_ID=80fcd6e0bd5141afbd03713a4286d5b3")) ==
        0x0c269e298fc2480fU);  // as systemd-journal-remote of systemd 252 wrote it
  CHECK(journal_hash("") == 0xdeadbeefdeadbeefU);
}

TEST_CASE("an entry is read when its writer is done with it", "[entry_check]") {
  REQUIRE(can_make_journals());
  const HalfLinked journal({kSeen}, kField, 0);
  JournalReader reader = open_reader(journal.directory());
  const auto began = std::chrono::steady_clock::now();
  SECTION("soon") {
    std::thread writer([&journal] {
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      journal.link(1);
    });
    const auto entry = read_entry(reader);
    writer.join();
    CHECK(entry["SEEN"] == "ngc 1300");
    CHECK(reader.take_notice().empty());
  }
  SECTION("or without what it does not finish, and that is told") {
    const auto entry = read_entry(reader);
    CHECK(entry["MESSAGE"] == "a galaxy");
    CHECK_FALSE(entry.contains("SEEN"));
    CHECK(waits_to_the_end(began));
    CHECK(reader.take_notice().find("an entry is not finished") == 0);
  }
}

TEST_CASE("an entry with others after it is not waited for", "[entry_check]") {
  REQUIRE(can_make_journals());
  const HalfLinked journal({kSeen, kNext}, kField, 0);
  JournalReader reader = open_reader(journal.directory());
  const auto began = std::chrono::steady_clock::now();
  CHECK_FALSE(read_entry(reader).contains("SEEN"));
  CHECK_FALSE(waits_to_the_end(began));
  CHECK(reader.take_notice().empty());
}

TEST_CASE("fields that the sender gave twice are no missing ones", "[entry_check]") {
  REQUIRE(can_make_journals());
  const TemporaryDirectory folder;
  const std::vector<std::string> twice = GENERATE(std::vector<std::string>{"1"}, std::vector<std::string>{"1", "2"});
  JournalEntry entry = kNext;
  for (const std::string& value : twice) entry.insert(entry.end(), {{"SEEN", value}, {"SEEN", value}});
  JournalMaker(folder.path() / "a.journal").append({entry});
  JournalReader reader = open_reader(folder.path().string());
  read_entry(reader);
  CHECK(reader.take_notice().empty());
}

TEST_CASE("an entry that was counted before it could be found comes with the next notice of the journal",
          "[entry_check]") {
  REQUIRE(can_make_journals());
  const HalfLinked journal({kSeen, kNext}, "_SYSTEMD_UNIT=stargazer.service", 1);
  JournalReader reader = open_reader(journal.directory());
  CHECK(read_entry(reader)["MESSAGE"] == "a galaxy");
  const auto end = reader.next();
  REQUIRE((end && !*end));
  journal.link(2);
  journal.notify();
  REQUIRE(reader.process().ok());
  CHECK(read_entry(reader)["MESSAGE"] == "a comet");
}

TEST_CASE("an entry that was counted before it could be found is looked for without a notice", "[entry_check]") {
  REQUIRE(can_make_journals());
  const HalfLinked journal({kSeen, kNext}, "_SYSTEMD_UNIT=stargazer.service", 1);
  JournalReader reader = open_reader(journal.directory());
  CHECK(read_entry(reader)["MESSAGE"] == "a galaxy");
  // Each look that is worth it finds nothing, and libsystemd takes that for the end.
  for (int look = 0; look < 2; ++look) {
    CHECK(reader.may_have_grown());
    const auto end = reader.next();
    REQUIRE((end && !*end));
  }
  journal.link(2);
  int looks = 0;
  while (!reader.may_have_grown() && looks < 2 * GrowthWatch::kSettledAfter) ++looks;
  CHECK(looks < GrowthWatch::kSettledAfter);
  CHECK(read_entry(reader)["MESSAGE"] == "a comet");
  // Nothing is missing now, so nobody seeks again.
  const auto end = reader.next();
  REQUIRE((end && !*end));
  for (int look = 0; look < 2 * GrowthWatch::kSettledAfter; ++look) CHECK_FALSE(reader.may_have_grown());
}

TEST_CASE("an entry is not passed by for a newer one in another file", "[entry_check]") {
  REQUIRE(can_make_journals());
  const HalfLinked journal({kSeen, kNext}, "_SYSTEMD_UNIT=stargazer.service", 1);
  const auto other_file = std::filesystem::path(journal.directory()) / "b.journal";
  const JournalEntry of_another = {{"_SYSTEMD_UNIT", "another.service"}, {"MESSAGE", "a cloud"}};
  JournalMaker(other_file, 1'699'999'999'000'000).append({of_another});
  JournalReader reader = open_reader(journal.directory());
  CHECK(read_entry(reader)["MESSAGE"] == "a galaxy");
  const auto end = reader.next();
  REQUIRE((end && !*end));
  journal.link(2);
  const JournalEntry newer = {{"_SYSTEMD_UNIT", kUnit}, {"MESSAGE", "a moon"}};
  JournalMaker(other_file, 1'700'000'001'000'000).append({of_another, of_another, newer});
  CHECK(read_entry(reader)["MESSAGE"] == "a comet");
  CHECK(read_entry(reader)["MESSAGE"] == "a moon");
  const auto end_again = reader.next();
  CHECK((end_again && !*end_again));
}
