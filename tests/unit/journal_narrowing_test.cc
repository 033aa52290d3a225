// Long rows of entries, of which nearly all are found by one term: none of the others may be passed by.
#include <algorithm>
#include <random>

#include <nlohmann/json.hpp>

#include "feed/journal_reader.h"
#include "feed/sequence_range.h"
#include "support/journal_maker.h"
#include "support/journald.h"
#include "support/process.h"
#include "support/temporary_directory.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

constexpr const char* kUnit = "stargazer.service";

JournalEntry by_unit(const std::string& message, const std::string& unit = kUnit) {
  return {{"MESSAGE", message}, {"_SYSTEMD_UNIT", unit}};
}

JournalEntry by_systemd(const std::string& message) {
  return {{"MESSAGE", message}, {"_PID", "1"}, {"UNIT", kUnit}};
}

// `count` entries that `-u` selects, named by `prefix` and a number; about one in `others_every` is what systemd says
// of the unit, and there is as much of other units among them.
std::vector<JournalEntry> mixed(const std::string& prefix, int count, unsigned others_every, std::mt19937& random) {
  std::vector<JournalEntry> entries;
  for (int i = 0; i < count; ++i) {
    const std::string message = prefix + std::to_string(i);
    entries.push_back(random() % others_every == 0 ? by_systemd(message) : by_unit(message));
    if (random() % others_every == 0) entries.push_back(by_unit("of another unit", "other.service"));
  }
  return entries;
}

std::vector<std::string> numbered(const std::string& prefix, int count) {
  std::vector<std::string> messages;
  for (int i = 0; i < count; ++i) messages.push_back(prefix + std::to_string(i));
  return messages;
}

std::string message_of(JournalReader& reader) {
  OutBuffer entry;
  REQUIRE(reader.append_entry(entry).ok());
  return nlohmann::json::parse(entry.view())["MESSAGE"].get<std::string>();
}

std::vector<std::string> read(JournalReader& reader, std::size_t at_most = 1'000'000) {
  std::vector<std::string> messages;
  while (messages.size() < at_most) {
    const auto found = reader.next();
    INFO((found ? "" : found.error().message()));
    REQUIRE(found.ok());
    if (!*found) break;
    messages.push_back(message_of(reader));
  }
  return messages;
}

StartAt from_the_beginning() {
  return {"", 1'000'000};
}

}  // namespace

TEST_CASE("entries that take several terms come in their places", "[journal_narrowing]") {
  std::mt19937 random(GENERATE(1U, 2U, 3U));
  const unsigned others_every = GENERATE(2U, 50U, 700U);
  const TemporaryDirectory directory;
  JournalMaker(directory.path() / "a.journal").append(mixed("", 5000, others_every, random));
  JournalReader reader({kUnit}, directory.path().string());
  REQUIRE(reader.open(from_the_beginning()).ok());
  CHECK((read(reader) == numbered("", 5000)));
  if (others_every == 700) CHECK(reader.found_narrowed() > 1000);
  CHECK_FALSE(reader.take_gap().has_value());
}

TEST_CASE("what is written while only one term is looked for comes in its place", "[journal_narrowing]") {
  std::mt19937 random(7);
  const TemporaryDirectory directory;
  JournalMaker maker(directory.path() / "a.journal");
  maker.append(mixed("a", 3000, 100'000, random));
  JournalReader reader({kUnit}, directory.path().string());
  REQUIRE(reader.open(from_the_beginning()).ok());
  auto messages = read(reader, 1500);
  REQUIRE(reader.found_narrowed() > 0);
  maker.append(mixed("b", 3000, 3, random));
  REQUIRE(reader.process().ok());
  for (std::string& message : read(reader)) messages.push_back(std::move(message));
  auto expected = numbered("a", 3000);
  for (std::string& message : numbered("b", 3000)) expected.push_back(std::move(message));
  CHECK((messages == expected));
}

TEST_CASE("a start from a position in a long row goes on there", "[journal_narrowing]") {
  std::mt19937 random(11);
  const TemporaryDirectory directory;
  JournalMaker(directory.path() / "a.journal").append(mixed("", 4000, 300, random));
  JournalReader first({kUnit}, directory.path().string());
  REQUIRE(first.open(from_the_beginning()).ok());
  auto messages = read(first, 2000);
  REQUIRE(first.found_narrowed() > 0);
  SECTION("of another reader") {
    JournalReader second({kUnit}, directory.path().string());
    REQUIRE(second.open({first.safe_cursor(), 50, {}, first.through_cursor()}).ok());
    for (std::string& message : read(second)) messages.push_back(std::move(message));
  }
  SECTION("of the same one, opened anew") {
    REQUIRE(first.open({}).ok());
    for (std::string& message : read(first)) messages.push_back(std::move(message));
  }
  CHECK((messages == numbered("", 4000)));
}

TEST_CASE("two sequences of numbers are read with all terms", "[journal_narrowing]") {
  std::mt19937 random(13);
  const TemporaryDirectory directory;
  JournalMaker(directory.path() / "a.journal").append(mixed("a", 2000, 100, random));
  JournalMaker(directory.path() / "b.journal", 1'700'000'000'000'500).append(mixed("b", 2000, 100, random));
  const auto printed = run({"journalctl", "--directory=" + directory.path().string(), "-u", kUnit, "-o", "cat"});
  JournalReader reader({kUnit}, directory.path().string());
  REQUIRE(reader.open(from_the_beginning()).ok());
  std::string seen;
  for (const std::string& message : read(reader)) seen += message + "\n";
  CHECK((seen == printed));
  CHECK(reader.found_narrowed() == 0);
}

TEST_CASE("a range is of one sequence, up to a number", "[journal_narrowing]") {
  const JournalId id{0xAB, 1};
  const SequenceRange range(id, 0x1f);
  const std::string sequence = "s=ab010000000000000000000000000000";
  CHECK(range.covers(sequence + ";i=1;b=x"));
  CHECK(range.covers(sequence + ";i=1f;b=x"));
  CHECK_FALSE(range.covers(sequence + ";i=20;b=x"));
  CHECK_FALSE(range.covers(sequence + ";i=1f"));
  CHECK_FALSE(range.covers(sequence + ";i=;b=x"));
  CHECK_FALSE(range.covers(sequence + ";i=11111111111111111;b=x"));
  CHECK_FALSE(range.covers("s=ab020000000000000000000000000000;i=1;b=x"));
  CHECK_FALSE(range.covers(""));
}
