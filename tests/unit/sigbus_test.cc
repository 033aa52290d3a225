// Real faults, in child processes: what is not saved dies.
#include "feed/sigbus.h"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <systemd/sd-journal.h>

#include "feed/journal_reader.h"
#include "support/journal_maker.h"
#include "support/temporary_directory.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

constexpr std::size_t kPages = 4;
constexpr int kSaved = 42;

// A file of some pages, mapped and then cut short; the first byte that has no backing any more.
const volatile char* truncated_mapping(const std::filesystem::path& path) {
  const auto bytes = kPages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd == -1 || ftruncate(fd, static_cast<off_t>(bytes)) != 0) _exit(1);
  const auto* mapped = static_cast<const volatile char*>(mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0));
  if (ftruncate(fd, static_cast<off_t>(bytes / kPages)) != 0) _exit(1);
  return mapped + bytes / kPages;
}

// How a child ends that does this: its exit status, or minus the signal that killed it.
int outcome(const std::function<int()>& act) {
  const pid_t child = fork();
  if (child == 0) {
    // What a sanitizer or the test's framework does about signals is not under test.
    for (const int number : {SIGBUS, SIGSEGV, SIGABRT}) std::signal(number, SIG_DFL);
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    _exit(act());
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int touch(const volatile char* lost) {
  const char value = *lost;
  return value == 0 && sigbus_pending() && take_sigbus() && !take_sigbus() ? kSaved : 1;
}

}  // namespace

TEST_CASE("a journal file that is cut short while it is read costs an empty page", "[sigbus]") {
  const TemporaryDirectory directory;
  const std::string name = GENERATE("a.journal", "system@0001.journal", "system@0001.journal~");
  CHECK(outcome([&] {
          const SigbusGuard guard;
          const volatile char* const lost = truncated_mapping(directory.path() / name);
          return touch(lost) == kSaved ? touch(lost + sysconf(_SC_PAGESIZE)) : 1;
        }) == kSaved);
  CHECK(outcome([&] {
          const SigbusGuard guard;
          const volatile char* const lost = truncated_mapping(directory.path() / name);
          std::filesystem::remove(directory.path() / name);
          return touch(lost);
        }) == kSaved);
}

TEST_CASE("any other SIGBUS is as deadly as before", "[sigbus]") {
  const TemporaryDirectory directory;
  const auto journal = directory.path() / "a.journal";
  CHECK(outcome([&] { return touch(truncated_mapping(journal)); }) == -SIGBUS);
  SECTION("of a mapping that is no journal") {
    CHECK(outcome([&] {
            const SigbusGuard guard;
            return touch(truncated_mapping(directory.path() / "library.so"));
          }) == -SIGBUS);
  }
  SECTION("of a thread that is not guarded") {
    CHECK(outcome([&] {
            const SigbusGuard guard;
            std::thread([&] { touch(truncated_mapping(journal)); }).join();
            return 0;
          }) == -SIGBUS);
  }
  SECTION("that somebody sends") {
    CHECK(outcome([&] {
            const SigbusGuard guard;
            raise(SIGBUS);
            return 0;
          }) == -SIGBUS);
  }
  SECTION("after the guard is gone") {
    CHECK(outcome([&] {
            { const SigbusGuard guard; }
            return touch(truncated_mapping(journal));
          }) == -SIGBUS);
  }
}

TEST_CASE("a handler that was there before still gets what is not ours", "[sigbus]") {
  const TemporaryDirectory directory;
  CHECK(outcome([&] {
          std::signal(SIGBUS, [](int) { _exit(7); });
          const SigbusGuard guard;
          return touch(truncated_mapping(directory.path() / "library.so"));
        }) == 7);
}

TEST_CASE("the reader survives files that are cut short under it, and goes on in the others", "[sigbus]") {
  const TemporaryDirectory directory;
  const auto first = directory.path() / "a.journal";
  std::vector<JournalEntry> entries;
  for (int i = 0; i < 2000; ++i) {
    entries.push_back(
        {{"MESSAGE", std::to_string(i) + std::string(1000, 'x')}, {"_SYSTEMD_UNIT", "stargazer.service"}});
  }
  JournalMaker(first).append(entries);
  JournalMaker(directory.path() / "b.journal", 1'700'001'000'000'000).append(entries);
  CHECK(outcome([&] {
          const SigbusGuard guard;
          JournalReader reader({"stargazer"}, directory.path().string());
          if (!reader.open({"", 1'000'000}).ok()) return 1;
          OutBuffer entry;
          for (int i = 0; i < 100; ++i) {
            const auto found = reader.next();
            if (!found.ok() || !*found || !reader.append_entry(entry).ok()) return 2;
          }
          std::filesystem::resize_file(first, 100 * 1024);
          int returned = 0;
          bool saved = false;
          for (int failures = 0; failures < 100;) {
            const auto found = reader.next();
            if (take_sigbus()) {
              saved = true;
              if (!reader.open({}).ok()) return 3;
            } else if (!found.ok()) {
              ++failures;
              if (!reader.recover().ok()) return 4;
            } else if (!*found) {
              break;
            } else {
              returned += reader.append_entry(entry).ok() ? 1 : 0;
            }
          }
          if (!saved) return 5;
          if (!reader.take_gap()) return 6;
          // All of the second file; of the first, at most what it still held.
          return returned >= 2000 && returned < 3900 ? kSaved : 7;
        }) == kSaved);
}
