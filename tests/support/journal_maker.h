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
  // The compact form has shorter offsets; systemd has written it since 252, and the other one before.
  enum class Form { kCompact, kRegular };

  // `file` ends in ".journal"; its directory must exist by the first append.
  explicit JournalMaker(std::filesystem::path file, std::uint64_t first_realtime_usec = 1'700'000'000'000'000,
                        Form form = Form::kCompact);

  // Throws std::runtime_error when the file cannot be written.
  void append(const std::vector<JournalEntry>& entries);

 private:
  const std::filesystem::path file_;
  std::uint64_t realtime_usec_;
  const Form form_;
};

// Whether this machine has systemd-journal-remote: package systemd-journal-remote.
bool can_make_journals();

}  // namespace stargazer::testing
