// Real journal files, made by systemd-journal-remote from the export format (systemd's JOURNAL_EXPORT_FORMATS).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace stargazer::testing {

// Names and values in their order; names may repeat.
using JournalEntry = std::vector<std::pair<std::string, std::string>>;

// One journal file that grows. Its entries are a millisecond apart.
class JournalMaker {
 public:
  // `file` ends in ".journal"; its directory must exist by the first append.
  explicit JournalMaker(std::filesystem::path file, std::uint64_t first_realtime_usec = 1'700'000'000'000'000);

  // For a first entry with this monotonic time.
  static std::uint64_t realtime_usec_at(std::uint64_t monotonic_usec);

  // Throws std::runtime_error when the file cannot be written.
  void append(const std::vector<JournalEntry>& entries);

 private:
  const std::filesystem::path file_;
  std::uint64_t realtime_usec_;
};

// Whether this machine has systemd-journal-remote: package systemd-journal-remote.
bool can_make_journals();

}  // namespace stargazer::testing
