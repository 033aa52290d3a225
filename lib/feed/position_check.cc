#include "feed/position_check.h"

#include <algorithm>

#include "feed/journal_ledger.h"

namespace stargazer {
namespace {

std::string shown_time(std::uint64_t realtime_usec) {
  // Later than year 9999 is nothing that a clock was set to.
  constexpr std::uint64_t kShownMaxUsec = 253'402'300'799'000'000;
  const auto usec = static_cast<std::int64_t>(std::min(realtime_usec, kShownMaxUsec));
  return format_wall_time(WallTime(std::chrono::microseconds(usec)));
}

PositionCheck check_in_sequence(const Cursor& saved, const std::vector<JournalFile>& files) {
  const bool around = std::any_of(files.begin(), files.end(), [&saved](const JournalFile& file) {
    return file.seqnum_id == saved.seqnum_id && file.head_seqnum <= saved.seqnum && saved.seqnum <= file.tail_seqnum;
  });
  if (around) return {};
  const auto next = next_seqnum(files, saved.seqnum_id, saved.seqnum);
  if (!next) return {false, "it is ahead of the journal, which ends before it", 0};
  if (*next == saved.seqnum + 1) return {};
  return {true, "entries after it were deleted before they were read", *next - saved.seqnum - 1};
}

}  // namespace

PositionCheck check_position(const Cursor& saved, bool found, const std::vector<JournalFile>& files, WallTime now) {
  if (found) return {};
  const bool known = std::any_of(files.begin(), files.end(), [&saved](const JournalFile& file) {
    return file.entries > 0 && file.seqnum_id == saved.seqnum_id;
  });
  if (known) return check_in_sequence(saved, files);
  const auto now_usec = static_cast<std::uint64_t>(now.time_since_epoch().count());
  if (saved.realtime_usec > now_usec) return {false, "it is from the future: " + shown_time(saved.realtime_usec), 0};
  const JournalFile* newest = newest_file(files);
  if (newest == nullptr || saved.realtime_usec > newest->tail_realtime_usec) {
    return {false, "it is not of this journal, whose entries are all older", 0};
  }
  return {true, "the journal files that held it are gone", 0};
}

}  // namespace stargazer
