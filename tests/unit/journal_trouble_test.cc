// What kills or blinds a journalctl that follows: rotation with vacuum, damage, missing roots, no inotify, no
// permission.
#include <algorithm>
#include <fstream>
#include <functional>
#include <random>
#include <sched.h>
#include <set>
#include <sys/mount.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <climits>
#include <nlohmann/json.hpp>
#include <systemd/sd-id128.h>

#include "feed/journal_bytes.h"
#include "feed/journal_reader.h"
#include "support/journal_maker.h"
#include "support/journald.h"
#include "support/process.h"
#include "support/temporary_directory.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

constexpr const char* kUnit = "stargazer.service";

std::vector<JournalEntry> numbered(int first, int count) {
  std::vector<JournalEntry> entries;
  for (int i = first; i < first + count; ++i) {
    entries.push_back({{"MESSAGE", std::to_string(i)}, {"_SYSTEMD_UNIT", kUnit}, {"FILLER", std::string(300, 'x')}});
  }
  return entries;
}

std::vector<std::string> messages(int first, int count) {
  std::vector<std::string> all;
  for (int i = first; i < first + count; ++i) all.push_back(std::to_string(i));
  return all;
}

void not_here(const char* why) {
  WARN(why);
}

StartAt from_the_beginning() {
  return {"", 1'000'000};
}

// Reads to the end as the feed's loop does, but for its pauses. What cannot be read is left out.
std::vector<std::string> read_all(JournalReader& reader) {
  std::vector<std::string> all;
  static_cast<void>(reader.process().ok());
  for (int failures = 0; failures < 1000;) {
    const auto found = reader.next();
    if (!found) {
      ++failures;
      if (!reader.recover() && !reader.is_open()) static_cast<void>(reader.open({}).ok());
      continue;
    }
    if (!*found) return all;
    OutBuffer entry;
    if (!reader.append_entry(entry)) continue;
    // Damage may have changed the text, or its name.
    const auto message = nlohmann::json::parse(entry.view())["MESSAGE"];
    all.push_back(message.is_string() ? message.get<std::string>() : reader.cursor());
  }
  FAIL("no end");
  return all;
}

std::vector<std::filesystem::path> archived_files(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& found : std::filesystem::recursive_directory_iterator(directory)) {
    if (found.path().string().find('@') != std::string::npos) files.push_back(found.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// How much of it a journal file says that it uses, header_size and arena_size (systemd.io/JOURNAL_FILE_FORMAT): behind
// that there can be room that journald did not give back.
std::uint64_t used_bytes(const std::filesystem::path& path) {
  std::string header(kJournalHeaderBytes, '\0');
  std::ifstream(path, std::ios::binary).read(header.data(), static_cast<std::streamsize>(header.size()));
  return number_at(header, 88) + number_at(header, 96);
}

// How many descriptors of this process are of journal files that were deleted.
std::size_t deleted_but_open() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (target.find(".journal") != std::string::npos && target.ends_with(" (deleted)")) ++count;
  }
  return count;
}

std::string machine_id() {
  sd_id128_t machine{};
  REQUIRE(sd_id128_get_machine(&machine) == 0);
  std::array<char, SD_ID128_STRING_MAX> text{};
  return sd_id128_to_string(machine, text.data());
}

// The outcome of `act` in a child with namespaces of its own: "" when all is well. nullopt: not permitted here.
std::optional<std::string> in_namespaces(int flags, const std::function<std::string()>& act) {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(flags) != 0) _exit(77);
    mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    const std::string said = act();
    _exit(write(ends[1], said.data(), said.size()) == static_cast<ssize_t>(said.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string said;
  std::array<char, 4096> part{};
  for (ssize_t count = 0; (count = read(ends[0], part.data(), part.size())) > 0;) {
    said.append(part.data(), static_cast<std::size_t>(count));
  }
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) return {};
  INFO("status " << status << ", it said: " << said);
  REQUIRE(status == 0);
  return said;
}

// Puts `run` and `var` in the place of the directories in which journald keeps its own.
bool put_roots(const std::filesystem::path& run, const std::filesystem::path& var) {
  return mount(run.c_str(), "/run/log", nullptr, MS_BIND, nullptr) == 0 &&
         mount(var.c_str(), "/var/log", nullptr, MS_BIND, nullptr) == 0;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += text + " ";
  return all;
}

}  // namespace

TEST_CASE("rotation and vacuum under load lose nothing", "[journal_trouble]") {
  if (!Journald::possible()) return not_here("no journald of our own here");
  const Journald journald;
  JournalReader reader({kUnit}, journald.directory().string());
  journald.send(kUnit, {"first"});
  REQUIRE(reader.open(from_the_beginning()).ok());
  constexpr int kRounds = 30;
  constexpr int kEach = 200;
  std::thread writer([&journald] {
    for (int round = 0; round < kRounds; ++round) {
      journald.send(kUnit, messages(round * kEach, kEach));
      journald.rotate();
    }
  });
  std::vector<std::string> seen;
  std::optional<Gap> gap;
  while (seen.size() < 1 + kRounds * kEach) {
    // What is archived before the reading begins has been read when it ends, and goes away as by a vacuum.
    const auto archived = archived_files(journald.directory());
    for (std::string& message : read_all(reader)) seen.push_back(std::move(message));
    for (const auto& file : archived) std::filesystem::remove(file);
    gap = reader.take_gap();
    if (gap) break;
  }
  writer.join();
  INFO((gap ? gap->reason + " " + std::to_string(gap->entries_max) + " after " + gap->after_cursor : "no gap"));
  CHECK_FALSE(gap.has_value());
  std::vector<std::string> expected = messages(0, kRounds * kEach);
  expected.insert(expected.begin(), "first");
  CHECK((seen == expected));
}

TEST_CASE("a reader that stood still over a vacuum gives the deleted files back", "[journal_trouble]") {
  if (!Journald::possible()) return not_here("no journald of our own here");
  const Journald journald;
  journald.send(kUnit, messages(0, 5));
  JournalReader reader({kUnit}, journald.directory().string());
  REQUIRE(reader.open(from_the_beginning()).ok());
  CHECK(read_all(reader) == messages(0, 5));
  journald.rotate();
  REQUIRE(reader.process().ok());
  journald.send(kUnit, messages(5, 5));
  journald.vacuum(0);
  REQUIRE(deleted_but_open() > 0);
  REQUIRE(reader.process().ok());
  CHECK(deleted_but_open() == 0);
  CHECK(read_all(reader) == messages(5, 5));
  CHECK_FALSE(reader.take_gap().has_value());
}

TEST_CASE("damage in one file costs entries of that file alone", "[journal_trouble]") {
  if (!Journald::possible()) return not_here("no journald of our own here");
  Journald journald;
  for (int part = 0; part < 3; ++part) {
    journald.send(kUnit, messages(part * 1000, 1000));
    if (part < 2) journald.rotate();
  }
  // While it runs, it may still cut the archive to its length, and so make what was cut off whole again.
  journald.end();
  const auto damaged = archived_files(journald.directory()).at(1);
  const auto bytes = used_bytes(damaged);
  std::fstream file(damaged, std::ios::in | std::ios::out | std::ios::binary);
  std::size_t lost_max = 0;
  bool told = false;
  SECTION("200 random bytes") {
    std::mt19937 random(GENERATE(range(1U, 11U)));
    for (int i = 0; i < 200; ++i) {
      file.seekp(static_cast<std::streamoff>(1024 + random() % (bytes - 1024)));
      file.put(static_cast<char>(random()));
    }
    lost_max = 1000;
  }
  SECTION("64 KiB of zeros") {
    file.seekp(static_cast<std::streamoff>(bytes / 2));
    file << std::string(std::size_t{64} * 1024, '\0');
    lost_max = 1000;
  }
  SECTION("cut short") {
    std::filesystem::resize_file(damaged, bytes / 2);
    lost_max = 1000;
    told = true;
  }
  SECTION("another signature") {
    file << "damaged!";
    lost_max = 1000;
    told = true;
  }
  file.close();
  const std::string position = [&journald] {
    JournalReader first({kUnit}, journald.directory().string());
    REQUIRE(first.open(from_the_beginning()).ok());
    REQUIRE(*first.next());
    return first.safe_cursor();
  }();
  JournalReader reader({kUnit}, journald.directory().string());
  REQUIRE(reader.open({position}).ok());
  const auto seen = read_all(reader);
  const std::set<std::string> different(seen.begin(), seen.end());
  CHECK(different.size() == seen.size());
  CHECK(seen.size() + lost_max >= 2999);
  for (const std::string& message : messages(1, 999)) CHECK(different.count(message) == 1);
  for (const std::string& message : messages(2000, 1000)) CHECK(different.count(message) == 1);
  if (told) CHECK(reader.take_gap().has_value());
}

TEST_CASE("two journals in one directory are read in the order of time, and go on after a start", "[journal_trouble]") {
  const TemporaryDirectory directory;
  JournalMaker first(directory.path() / "a.journal");
  JournalMaker second(directory.path() / "b.journal", 1'700'000'000'000'500);
  for (int round = 0; round < 5; ++round) {
    first.append(numbered(round * 100, 50));
    second.append(numbered(round * 100 + 50, 50));
  }
  const auto printed = run({"journalctl", "--directory=" + directory.path().string(), "-u", kUnit, "-o", "cat"});
  JournalReader reader({kUnit}, directory.path().string());
  REQUIRE(reader.open(from_the_beginning()).ok());
  std::string seen;
  for (int i = 0; i < 100; ++i) {
    REQUIRE(*reader.next());
    OutBuffer entry;
    REQUIRE(reader.append_entry(entry).ok());
    seen += nlohmann::json::parse(entry.view())["MESSAGE"].get<std::string>() + "\n";
  }
  JournalReader again({kUnit}, directory.path().string());
  REQUIRE(again.open({reader.safe_cursor()}).ok());
  for (const std::string& message : read_all(again)) seen += message + "\n";
  CHECK(seen == printed);
  CHECK_FALSE(again.take_gap().has_value());
}

TEST_CASE("a journal in /var that appears later is read on from where /run's was", "[journal_trouble]") {
  const TemporaryDirectory directory;
  const auto run_journal = directory.path() / "run/journal" / machine_id();
  const auto var_journal = directory.path() / "var/journal" / machine_id();
  std::filesystem::create_directories(run_journal);
  std::filesystem::create_directories(directory.path() / "var");
  JournalMaker early(run_journal / "system.journal");
  early.append(numbered(0, 3));
  const auto said = in_namespaces(CLONE_NEWNS, [&]() -> std::string {
    if (!put_roots(directory.path() / "run", directory.path() / "var")) return "mount";
    JournalReader reader({kUnit}, "");
    // Not of this boot, so the position is before them.
    if (!reader.open({"", 0}).ok()) return "open";
    if (!reader.look_again_in()) return "does not look again";
    std::string seen = joined(read_all(reader));
    // As journald does at its flush: all in the other place, then nothing in the first.
    std::filesystem::create_directories(var_journal);
    JournalMaker late(var_journal / "system.journal");
    late.append(numbered(0, 3));
    late.append(numbered(3, 4));
    std::filesystem::remove(run_journal / "system.journal");
    std::this_thread::sleep_until(JournalReader::Clock::now() + JournalReader::kLookAgainEvery);
    if (!reader.is_outdated() || !reader.open({}).ok()) return "open again";
    seen += joined(read_all(reader));
    return seen;
  });
  if (!said) return not_here("no mount namespace here");
  CHECK(*said == "3 4 5 6 ");
}

TEST_CASE("a namespace of journald is read, and the default one is not", "[journal_trouble]") {
  const TemporaryDirectory directory;
  for (const auto& [suffix, first] : {std::pair("", 0), std::pair(".web", 100), std::pair(".other", 200)}) {
    const auto journal = directory.path() / "var/journal" / (machine_id() + suffix);
    std::filesystem::create_directories(journal);
    JournalMaker(journal / "system.journal").append(numbered(first, 2));
  }
  std::filesystem::create_directories(directory.path() / "run");
  const std::string name_space = GENERATE("", "web");
  const auto said = in_namespaces(CLONE_NEWNS, [&]() -> std::string {
    if (!put_roots(directory.path() / "run", directory.path() / "var")) return "mount";
    JournalReader reader({kUnit}, "", name_space);
    // As a position before all of them, of the same journal: its backlog would be this boot's alone.
    Cursor before;
    before.realtime_usec = 1;
    if (!reader.open({before.text()}).ok()) return "open";
    return joined(read_all(reader));
  });
  if (!said) return not_here("no mount namespace here");
  CHECK(*said == (name_space.empty() ? "0 1 " : "100 101 "));
}

TEST_CASE("without inotify the reader says so and reads on", "[journal_trouble]") {
  const TemporaryDirectory directory;
  JournalMaker journal(directory.path() / "a.journal");
  journal.append(numbered(0, 3));
  std::filesystem::permissions(directory.path(), std::filesystem::perms::all);
  const auto said = in_namespaces(CLONE_NEWUSER, [&]() -> std::string {
    // A limit of this user namespace alone.
    std::ofstream limit("/proc/sys/user/max_inotify_instances");
    if (!(limit << "0" << std::flush)) return "limit";
    JournalReader reader({kUnit}, directory.path().string());
    if (!reader.open(from_the_beginning()).ok()) return "open";
    if (reader.fd() != -1) return "it has an fd";
    if (!reader.look_again_in()) return "does not look again";
    return joined(read_all(reader));
  });
  if (!said) return not_here("no user namespace here");
  CHECK(*said == "0 1 2 ");
}

TEST_CASE("a journal without permission is an error that says so", "[journal_trouble]") {
  if (geteuid() != 0) return not_here("needs root, to become somebody else");
  const TemporaryDirectory directory;
  JournalMaker(directory.path() / "a.journal").append(numbered(0, 3));
  std::filesystem::permissions(directory.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(directory.path() / "a.journal", std::filesystem::perms(0600));
  const auto said = in_namespaces(0, [&]() -> std::string {
    if (setresuid(65534, 65534, 65534) != 0) return "setresuid";
    const Status status = JournalReader({kUnit}, directory.path().string()).open(from_the_beginning());
    return status ? "opened" : status.error().message();
  });
  CHECK(said->find("no permission") != std::string::npos);
}
