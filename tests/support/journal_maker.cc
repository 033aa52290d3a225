#include "support/journal_maker.h"

#include <array>

#include "support/process.h"

namespace stargazer::testing {
namespace {

constexpr const char* kJournalRemote = "/lib/systemd/systemd-journal-remote";
// All files are of one boot, within which monotonic time gives the order.
constexpr std::uint64_t kBootedUsec = 1'690'000'000'000'000;
constexpr std::uint64_t kEntryApartUsec = 1000;
constexpr const char* kBootId = "0123456789abcdef0123456789abcdef";

void append_field(std::string& out, const std::string& name, const std::string& value) {
  out += name;
  if (value.find('\n') == std::string::npos) {
    out += '=';
  } else {
    out += '\n';
    std::uint64_t left = value.size();
    for (int i = 0; i < 8; ++i, left >>= 8U) out += static_cast<char>(left & 0xFFU);
  }
  out += value;
  out += '\n';
}

}  // namespace

JournalMaker::JournalMaker(std::filesystem::path file, std::uint64_t first_realtime_usec, Form form)
    : file_(std::move(file)), realtime_usec_(first_realtime_usec), form_(form) {}

void JournalMaker::append(const std::vector<JournalEntry>& entries) {
  std::string text;
  for (const JournalEntry& entry : entries) {
    append_field(text, "__REALTIME_TIMESTAMP", std::to_string(realtime_usec_ += kEntryApartUsec));
    append_field(text, "__MONOTONIC_TIMESTAMP", std::to_string(realtime_usec_ - kBootedUsec));
    append_field(text, "_BOOT_ID", kBootId);
    for (const auto& [name, value] : entry) append_field(text, name, value);
    text += '\n';
  }
  const char* const form = form_ == Form::kCompact ? "SYSTEMD_JOURNAL_COMPACT=1" : "SYSTEMD_JOURNAL_COMPACT=0";
  run({"env", form, kJournalRemote, "--split-mode=none", "--compress=yes", "--output=" + file_.string(), "-"}, text);
}

bool can_make_journals() {
  return std::filesystem::exists(kJournalRemote);
}

}  // namespace stargazer::testing
