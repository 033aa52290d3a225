#include "feed/journal_ledger.h"

#include <algorithm>
#include <utility>

namespace stargazer {
namespace {

const JournalFile* find_file(const std::vector<JournalFile>& files, const JournalId& file_id) {
  const auto found = std::find_if(files.begin(), files.end(), [&file_id](const JournalFile& file) {
    return file.damage.empty() && file.file_id == file_id;
  });
  return found == files.end() ? nullptr : &*found;
}

// libsystemd returns entries of different sequences in the order of the monotonic time within a boot.
bool is_before(const JournalFile& file, const Cursor& position) {
  return file.seqnum_id != position.seqnum_id && file.tail_boot == position.boot &&
         file.tail_monotonic_usec < position.monotonic_usec;
}

}  // namespace

std::optional<std::uint64_t> next_seqnum(const std::vector<JournalFile>& files, const JournalId& seqnum_id,
                                         std::uint64_t seqnum) {
  std::optional<std::uint64_t> next;
  for (const JournalFile& file : files) {
    if (file.entries == 0 || file.seqnum_id != seqnum_id || file.tail_seqnum <= seqnum) continue;
    const std::uint64_t first = std::max(file.head_seqnum, seqnum + 1);
    next = std::min(next.value_or(first), first);
  }
  return next;
}

std::vector<JournalLoss> JournalLedger::begin(std::vector<JournalFile> files, const Cursor& position) {
  files_ = std::move(files);
  passed_.clear();
  position_by_sequence_.clear();
  std::vector<JournalLoss> losses;
  for (const JournalFile& file : files_) {
    const bool older = file.seqnum_id != position.seqnum_id && file.tail_realtime_usec <= position.realtime_usec;
    if (older) note_passed(file, file.tail_seqnum);
    const bool may_hold_more = file.modified_usec > static_cast<std::int64_t>(position.realtime_usec);
    if (!file.damage.empty() && may_hold_more) losses.push_back({file.path, 0, file.damage});
  }
  settle(position);
  return losses;
}

void JournalLedger::passed(const Cursor& position) {
  position_by_sequence_[position.seqnum_id] = position;
}

void JournalLedger::passed_all() {
  for (const JournalFile& file : files_) note_passed(file, file.tail_seqnum);
}

std::uint64_t JournalLedger::passed_of(const JournalFile& file) const {
  const auto found = passed_.find(file.file_id);
  const std::uint64_t before = file.head_seqnum == 0 ? 0 : file.head_seqnum - 1;
  return found == passed_.end() ? before : std::max(found->second, before);
}

void JournalLedger::note_passed(const JournalFile& file, std::uint64_t seqnum) {
  if (file.damage.empty()) passed_[file.file_id] = std::max(passed_of(file), seqnum);
}

void JournalLedger::settle(const Cursor& position) {
  for (const JournalFile& file : files_) {
    if (file.entries == 0) continue;
    if (file.seqnum_id == position.seqnum_id) {
      // Of the file that is written to, its tail is only what it was when it was looked at.
      const std::uint64_t end = file.archived() ? std::min(file.tail_seqnum, position.seqnum) : position.seqnum;
      if (position.seqnum >= file.head_seqnum) note_passed(file, end);
    } else if (is_before(file, position)) {
      note_passed(file, file.tail_seqnum);
    }
  }
}

std::optional<JournalLoss> JournalLedger::check_gone(const JournalFile& gone, const std::vector<JournalFile>& files,
                                                     const Cursor& position) const {
  if (gone.entries == 0) return {};
  std::uint64_t passed = passed_of(gone);
  const auto next = next_seqnum(files, gone.seqnum_id, std::max(passed, gone.tail_seqnum));
  // The position says something about this file only when it cannot be in the one after it.
  const bool within = position.seqnum >= gone.head_seqnum && (!next || position.seqnum < *next);
  const bool of_this = gone.archived() ? position.seqnum <= gone.tail_seqnum : within;
  if (position.seqnum_id == gone.seqnum_id && of_this) passed = std::max(passed, position.seqnum);
  std::uint64_t last = std::max(gone.tail_seqnum, passed);
  if (!gone.archived() && next) last = std::max(last, *next - 1);
  if (last <= passed) return {};
  const auto damaged =
      std::find_if(files.begin(), files.end(), [&gone](const JournalFile& file) { return file.inode == gone.inode; });
  const bool is_there = damaged != files.end() && !damaged->damage.empty();
  return JournalLoss{gone.path, last - passed, is_there ? damaged->damage : "was deleted before all of it was read"};
}

std::vector<JournalLoss> JournalLedger::update(std::vector<JournalFile> files, const Cursor& position) {
  for (const auto& [sequence, at] : std::exchange(position_by_sequence_, {})) settle(at);
  std::vector<JournalLoss> losses;
  for (const JournalFile& known : files_) {
    if (!known.damage.empty() || find_file(files, known.file_id) != nullptr) continue;
    if (auto loss = check_gone(known, files, position)) losses.push_back(std::move(*loss));
  }
  files_ = std::move(files);
  std::map<JournalId, std::uint64_t> kept;
  for (const JournalFile& file : files_) {
    if (const auto found = passed_.find(file.file_id); found != passed_.end()) kept.insert(*found);
  }
  passed_ = std::move(kept);
  return losses;
}

}  // namespace stargazer
