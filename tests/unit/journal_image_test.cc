// Journal files read without libsystemd, beside libsystemd; and files that are not what they say.
#include "feed/journal_image.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include <systemd/sd-journal.h>

#include "support/journal_maker.h"
#include "support/temporary_directory.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

using Place = JournalImage::Place;

// systemd.io/JOURNAL_FILE_FORMAT: of the header, and of a data object in files of the compact form.
constexpr std::size_t kIncompatibleFlagsAt = 12;
constexpr std::size_t kEntriesAt = 152;
constexpr std::size_t kFirstPartAt = 176;
constexpr std::size_t kCompactPayloadAt = 72;
constexpr std::size_t kRegularPayloadAt = 64;
constexpr std::size_t kDataFlagsAt = 1;
constexpr std::size_t kDataSizeAt = 8;
constexpr std::size_t kDataHashAt = 16;
constexpr std::size_t kDataEntriesAt = 56;
constexpr std::size_t kNextPartAt = 16;

struct Read {
  std::string cursor;
  std::vector<std::string> fields;
  bool operator==(const Read&) const = default;
};

// A value that no field has twice, so that entries share some fields and have others of their own.
std::vector<JournalEntry> numbered(std::size_t count) {
  std::vector<JournalEntry> entries;
  for (std::size_t i = 0; i < count; ++i) {
    entries.push_back({{"_SYSTEMD_UNIT", "stargazer.service"},
                       {"MESSAGE", "star " + std::to_string(i)},
                       {"KIND", i % 3 == 0 ? "a" : "b"}});
  }
  return entries;
}

class Made {
 public:
  explicit Made(const std::vector<JournalEntry>& entries, JournalMaker::Form form = JournalMaker::Form::kCompact) {
    JournalMaker(file_, 1'700'000'000'000'000, form).append(entries);
  }

  std::string bytes() const {
    std::string all(std::filesystem::file_size(file_), '\0');
    std::ifstream(file_, std::ios::binary).read(all.data(), static_cast<std::streamsize>(all.size()));
    return all;
  }

  // What libsystemd reads, all of it.
  std::vector<Read> by_libsystemd() const {
    const char* const paths[] = {file_.c_str(), nullptr};
    sd_journal* journal = nullptr;
    REQUIRE(sd_journal_open_files(&journal, const_cast<const char**>(paths), 0) >= 0);
    const std::unique_ptr<sd_journal, decltype(&sd_journal_close)> owner(journal, &sd_journal_close);
    sd_journal_set_data_threshold(journal, 0);
    std::vector<Read> all;
    while (sd_journal_next(journal) > 0) {
      char* cursor = nullptr;
      REQUIRE(sd_journal_get_cursor(journal, &cursor) >= 0);
      all.push_back({cursor, {}});
      std::free(cursor);
      const void* data = nullptr;
      std::size_t size = 0;
      while (sd_journal_enumerate_data(journal, &data, &size) > 0) {
        all.back().fields.emplace_back(static_cast<const char*>(data), size);
      }
    }
    return all;
  }

 private:
  TemporaryDirectory folder_;
  const std::filesystem::path file_ = folder_.path() / "a.journal";
};

// Nothing when one of the fields cannot be read.
std::optional<Read> read(const JournalImage& image, JournalImage::Entry entry) {
  Read found{entry.cursor.text(), {}};
  while (!entry.items.empty()) {
    const auto field = image.take_field(entry.items);
    if (!field) return {};
    found.fields.emplace_back(*field);
  }
  return found;
}

std::optional<Read> read(const JournalImage& image, std::uint64_t seqnum, Place& place) {
  const auto entry = image.find(seqnum, place);
  return entry ? read(image, *entry) : std::nullopt;
}

std::optional<Read> read(std::string_view bytes, std::uint64_t seqnum) {
  const JournalImage image(bytes);
  Place place;
  return image.is_known() ? read(image, seqnum, place) : std::nullopt;
}

std::uint64_t number_at(const std::string& bytes, std::size_t at) {
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

void set_number(std::string& bytes, std::size_t at, std::uint64_t number) {
  std::memcpy(bytes.data() + at, &number, sizeof number);
}

// Where the object of this field begins in a file of the compact form.
std::size_t object_of(const std::string& bytes, std::string_view field) {
  const std::size_t at = bytes.find(field);
  REQUIRE(at != std::string::npos);
  return at - kCompactPayloadAt;
}

}  // namespace

TEST_CASE("every entry and field of a journal file is as libsystemd reads it", "[journal_image]") {
  REQUIRE(can_make_journals());
  const auto form = GENERATE(JournalMaker::Form::kCompact, JournalMaker::Form::kRegular);
  const Made made(numbered(300), form);
  const std::string bytes = made.bytes();
  const std::vector<Read> expected = made.by_libsystemd();
  REQUIRE(expected.size() == 300);
  const JournalImage image(bytes);
  REQUIRE(image.is_known());
  CHECK(image.file_bytes() == bytes.size());
  CHECK(image.seqnum_id() == Cursor::parse(expected[0].cursor)->seqnum_id);
  // One after the other, with some left out, and from any place to any other.
  for (const std::size_t step : {1U, 2U, 7U, 64U, 299U}) {
    Place place;
    for (std::size_t i = 0; i < expected.size(); i += step) CHECK(read(image, i + 1, place) == expected[i]);
    for (std::size_t i = expected.size(); i-- > 0;) CHECK(read(image, i + 1, place) == expected[i]);
  }
  Place place;
  CHECK_FALSE(image.find(0, place));
  CHECK_FALSE(image.find(301, place));
  CHECK(read(image, 300, place) == expected[299]);
}

TEST_CASE("a search that finds nothing spoils none of those after it", "[journal_image]") {
  REQUIRE(can_make_journals());
  const Made made(numbered(40));
  std::string bytes = made.bytes();
  const std::vector<Read> expected = made.by_libsystemd();
  const JournalImage image(bytes);
  Place place;
  // As while the writer has not counted the later ones yet.
  set_number(bytes, kEntriesAt, 20);
  CHECK(read(image, 20, place) == expected[19]);
  CHECK_FALSE(image.find(21, place));
  CHECK_FALSE(image.find(40, place));
  set_number(bytes, kEntriesAt, 40);
  CHECK(read(image, 21, place) == expected[20]);
  CHECK_FALSE(image.find(1000, place));
  CHECK(read(image, 22, place) == expected[21]);
}

TEST_CASE("a compressed field is for libsystemd, and only its entry", "[journal_image]") {
  REQUIRE(can_make_journals());
  const Made made({{{"MESSAGE", "short"}}, {{"MESSAGE", std::string(3000, 'x')}}, {{"MESSAGE", "short too"}}});
  const std::vector<Read> expected = made.by_libsystemd();
  CHECK(read(made.bytes(), 1) == expected[0]);
  CHECK_FALSE(read(made.bytes(), 2));
  CHECK(read(made.bytes(), 3) == expected[2]);
}

TEST_CASE("what is no journal file of a known form is not read", "[journal_image]") {
  REQUIRE(can_make_journals());
  const std::string bytes = Made(numbered(3)).bytes();
  CHECK_FALSE(JournalImage().is_known());
  CHECK_FALSE(JournalImage("").is_known());
  CHECK_FALSE(JournalImage(std::string_view(bytes).substr(0, 207)).is_known());
  CHECK_FALSE(JournalImage(std::string(5000, '\0')).is_known());
  for (unsigned flag = 5; flag < 8; ++flag) {
    std::string newer = bytes;
    newer[kIncompatibleFlagsAt] =
        static_cast<char>(static_cast<unsigned char>(newer[kIncompatibleFlagsAt]) | 1U << flag);
    CHECK_FALSE(JournalImage(newer).is_known());
  }
}

TEST_CASE("a field whose object is not as expected is not read", "[journal_image]") {
  REQUIRE(can_make_journals());
  std::string bytes = Made(numbered(3)).bytes();
  const std::size_t object = object_of(bytes, "MESSAGE=star 1");
  REQUIRE(read(bytes, 2));
  SECTION("of another type") {
    bytes[object] = 2;
  }
  SECTION("vacuumed: nothing but zeros") {
    bytes.replace(object, 80, 80, '\0');
  }
  SECTION("compressed in a way that may come one day") {
    bytes[object + kDataFlagsAt] = 64;
  }
  SECTION("not linked with its entry") {
    set_number(bytes, object + kDataEntriesAt, 0);
  }
  SECTION("without a payload") {
    set_number(bytes, object + kDataSizeAt, kCompactPayloadAt);
  }
  SECTION("longer than the file") {
    set_number(bytes, object + kDataSizeAt, bytes.size());
  }
  SECTION("longer than there are numbers") {
    set_number(bytes, object + kDataSizeAt, ~std::uint64_t{0});
  }
  CHECK_FALSE(read(bytes, 2));
  CHECK(read(bytes, 3));
}

TEST_CASE("in the regular form an entry knows the hashes of its fields", "[journal_image]") {
  REQUIRE(can_make_journals());
  std::string bytes = Made(numbered(3), JournalMaker::Form::kRegular).bytes();
  REQUIRE(read(bytes, 2));
  const std::size_t hash_at = bytes.find("MESSAGE=star 1") - kRegularPayloadAt + kDataHashAt;
  set_number(bytes, hash_at, number_at(bytes, hash_at) + 1);
  CHECK_FALSE(read(bytes, 2));
}

TEST_CASE("a list of entries that leads astray leads nowhere", "[journal_image]") {
  REQUIRE(can_make_journals());
  std::string bytes = Made(numbered(300)).bytes();
  const std::uint64_t first_part = number_at(bytes, kFirstPartAt);
  SECTION("in a circle") {
    set_number(bytes, first_part + kNextPartAt, first_part);
  }
  SECTION("to no multiple of 8") {
    set_number(bytes, first_part + kNextPartAt, first_part + 1);
  }
  SECTION("beyond the end") {
    set_number(bytes, first_part + kNextPartAt, bytes.size() + 8);
  }
  SECTION("to an object of another type") {
    set_number(bytes, first_part + kNextPartAt, object_of(bytes, "MESSAGE=star 299"));
  }
  CHECK(read(bytes, 1));
  CHECK_FALSE(read(bytes, 300));
}

TEST_CASE("a file that ends anywhere is read up to there", "[journal_image]") {
  REQUIRE(can_make_journals());
  const std::string bytes = Made(numbered(3)).bytes();
  const auto whole = read(bytes, 3);
  REQUIRE(whole);
  const std::size_t end = bytes.rfind("MESSAGE=star 2") + 1024;
  std::size_t found = 0;
  for (std::size_t size = bytes.find("_SYSTEMD_UNIT=") - 200; size < end; ++size) {
    const JournalImage image(std::string_view(bytes).substr(0, size));
    Place place;
    const auto cut = read(image, 3, place);
    REQUIRE((!cut || cut == whole));
    if (cut) ++found;
  }
  CHECK(found > 0);
}
