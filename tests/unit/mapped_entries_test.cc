// The files of a journal while they grow, are renamed and deleted, and what of them is kept open.
#include "feed/mapped_entries.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include <nlohmann/json.hpp>

#include "feed/journal_reader.h"
#include "support/journal_maker.h"
#include "support/process.h"
#include "support/temporary_directory.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

constexpr const char* kUnit = "stargazer.service";

JournalEntry of_unit(const std::string& message) {
  return {{"_SYSTEMD_UNIT", kUnit}, {"MESSAGE", message}};
}

class Folder {
 public:
  std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }
  std::string directory() const { return folder_.path().string(); }

  std::vector<JournalFile> files() const { return list_journal_files(journal_places(directory(), ""), {}); }

  // Of all entries, the oldest first.
  std::vector<std::string> cursors() const {
    std::vector<std::string> found;
    const std::string printed = run({"journalctl", "--directory", directory(), "--output=json", "--quiet"});
    for (std::size_t begin = 0; begin < printed.size(); begin = printed.find('\n', begin) + 1) {
      found.push_back(nlohmann::json::parse(printed.substr(begin, printed.find('\n', begin) - begin))["__CURSOR"]);
    }
    return found;
  }

 private:
  TemporaryDirectory folder_;
};

std::vector<std::string> fields_of(EntryFields* fields) {
  std::vector<std::string> all;
  REQUIRE(fields != nullptr);
  fields->restart();
  for (;;) {
    const auto next = fields->next();
    REQUIRE(next.ok());
    if (!*next) return all;
    all.emplace_back(**next);
  }
}

bool has(EntryFields* fields, const std::string& field) {
  const auto all = fields_of(fields);
  return std::find(all.begin(), all.end(), field) != all.end();
}

// How many journal files of this folder this process has mapped.
std::size_t count_maps(const Folder& folder) {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find(folder.directory()) != std::string::npos ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("entries are found in a file that grows, and after it was renamed", "[mapped_entries]") {
  REQUIRE(can_make_journals());
  const Folder folder;
  JournalMaker maker(folder.path("system.journal"));
  maker.append({of_unit("one")});
  MappedEntries mapped;
  const auto files = folder.files();
  CHECK(has(mapped.find(folder.cursors()[0], files), "MESSAGE=one"));
  // More than the file has room for at first, so that it has to be mapped anew.
  const auto file_bytes = [&folder] { return std::filesystem::file_size(folder.path("system.journal")); };
  const auto bytes_before = file_bytes();
  std::vector<JournalEntry> many;
  for (int i = 0; i < 12'000; ++i) many.push_back(of_unit(std::string(400, 'x') + std::to_string(i)));
  maker.append(many);
  maker.append({of_unit("the last")});
  REQUIRE(file_bytes() > bytes_before);
  const auto cursors = folder.cursors();
  CHECK(has(mapped.find(cursors[1], files), "MESSAGE=" + std::string(400, 'x') + "0"));
  std::filesystem::rename(folder.path("system.journal"), folder.path("system@old.journal"));
  mapped.know(folder.files());
  CHECK(has(mapped.find(cursors.back(), folder.files()), "MESSAGE=the last"));
  CHECK(count_maps(folder) == 1);
}

TEST_CASE("a deleted file is let go of", "[mapped_entries]") {
  REQUIRE(can_make_journals());
  const Folder folder;
  JournalMaker(folder.path("system.journal")).append({of_unit("one")});
  const std::string cursor = folder.cursors()[0];
  MappedEntries mapped;
  REQUIRE(mapped.find(cursor, folder.files()) != nullptr);
  mapped.know(folder.files());
  CHECK(count_maps(folder) == 1);
  std::filesystem::remove(folder.path("system.journal"));
  mapped.know(folder.files());
  CHECK(count_maps(folder) == 0);
  CHECK(mapped.find(cursor, folder.files()) == nullptr);
}

TEST_CASE("no more than a few files are mapped, those of the last entries", "[mapped_entries]") {
  REQUIRE(can_make_journals());
  const Folder folder;
  constexpr std::size_t kFiles = MappedEntries::kFilesMax + 3;
  for (std::size_t i = 0; i < kFiles; ++i) {
    const std::string name = "system@" + std::to_string(i) + ".journal";
    JournalMaker(folder.path(name), 1'700'000'000'000'000 + i * 10'000'000).append({of_unit(std::to_string(i))});
  }
  const auto files = folder.files();
  const auto cursors = folder.cursors();
  REQUIRE(cursors.size() == kFiles);
  MappedEntries mapped;
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < kFiles; ++i) CHECK(has(mapped.find(cursors[i], files), "MESSAGE=" + std::to_string(i)));
    CHECK(count_maps(folder) == MappedEntries::kFilesMax);
  }
  mapped.clear();
  CHECK(count_maps(folder) == 0);
}

TEST_CASE("a field has an id of its own in its file", "[mapped_entries]") {
  REQUIRE(can_make_journals());
  const Folder folder;
  JournalMaker(folder.path("system@1.journal")).append({of_unit("one"), of_unit("one"), of_unit("two")});
  JournalMaker(folder.path("system@2.journal"), 1'700'000'001'000'000).append({of_unit("one")});
  const auto files = folder.files();
  MappedEntries mapped;
  std::vector<std::map<std::string, std::uint64_t>> ids;
  for (const std::string& cursor : folder.cursors()) {
    EntryFields* const fields = mapped.find(cursor, files);
    REQUIRE(fields != nullptr);
    auto& of_entry = ids.emplace_back();
    for (std::uint64_t id = fields->next_id(); id != 0; id = fields->next_id()) {
      of_entry[std::string(fields->next()->value())] = id;
    }
    fields->restart();
    fields->skip();
    CHECK(of_entry.size() == fields_of(fields).size());
  }
  REQUIRE(ids.size() == 4);
  CHECK(ids[0] == ids[1]);
  CHECK(ids[0].at("_SYSTEMD_UNIT=stargazer.service") == ids[2].at("_SYSTEMD_UNIT=stargazer.service"));
  CHECK(ids[0].at("MESSAGE=one") != ids[2].at("MESSAGE=two"));
  CHECK(ids[0].at("MESSAGE=one") != ids[3].at("MESSAGE=one"));
}

TEST_CASE("an entry is the one of the cursor or none", "[mapped_entries]") {
  REQUIRE(can_make_journals());
  const Folder folder;
  JournalMaker(folder.path("system.journal")).append({of_unit("one"), of_unit("two")});
  const auto files = folder.files();
  const std::string cursor = folder.cursors()[1];
  MappedEntries mapped;
  const auto parsed = Cursor::parse(cursor);
  REQUIRE(parsed.ok());
  const auto changed = GENERATE(0, 1, 2, 3, 4, 5);
  Cursor other = *parsed;
  if (changed == 0) other.seqnum_id[3] ^= 1;
  if (changed == 1) other.seqnum = 3;
  if (changed == 2) other.boot[0] ^= 1;
  if (changed == 3) ++other.monotonic_usec;
  if (changed == 4) ++other.realtime_usec;
  if (changed == 5) ++*other.xor_hash;
  CHECK(mapped.find(other.text(), files) == nullptr);
  // It is not looked for in other files again and again.
  for (unsigned i = 0; i < MappedEntries::kMissesBeforeNextTry; ++i) CHECK(mapped.find(cursor, files) == nullptr);
  CHECK(has(mapped.find(cursor, files), "MESSAGE=two"));
  CHECK(mapped.find("", files) == nullptr);
  CHECK(mapped.find("no cursor", files) == nullptr);
}

TEST_CASE("the reader reads entries straight from their files, and those that libsystemd has to unpack",
          "[mapped_entries]") {
  REQUIRE(can_make_journals());
  const Folder folder;
  const auto form = GENERATE(JournalMaker::Form::kCompact, JournalMaker::Form::kRegular);
  std::vector<JournalEntry> entries;
  for (int i = 0; i < 100; ++i) entries.push_back(of_unit(i % 10 == 0 ? std::string(3000, 'z') : std::to_string(i)));
  JournalMaker(folder.path("system.journal"), 1'700'000'000'000'000, form).append(entries);
  JournalReader reader({kUnit}, folder.directory());
  REQUIRE(reader.open({"", 1000}).ok());
  for (const JournalEntry& entry : entries) {
    const auto found = reader.next();
    REQUIRE((found && *found));
    OutBuffer out;
    const auto appended = reader.append_entry(out);
    REQUIRE((appended && *appended));
    CHECK(nlohmann::json::parse(out.view())["MESSAGE"] == entry[1].second);
  }
  // Nobody has begun a later one than the last.
  CHECK(reader.appended_mapped() == 89);
}
