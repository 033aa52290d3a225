// The part of JournalReader that goes to entries by single terms for as long as those find all of them.
#include <algorithm>
#include <utility>

#include "feed/journal_error.h"
#include "feed/journal_reader.h"
#include "feed/thread_cpu_time.h"

namespace stargazer {
namespace {

// What all entries are numbered in, and the last number that can be read; nothing when it is more than one sequence,
// since how those mix is libsystemd's own.
struct Sequence {
  JournalId id{};
  std::uint64_t last_seqnum = 0;
};

std::optional<Sequence> only_sequence(const std::vector<JournalFile>& files) {
  std::optional<Sequence> sequence;
  for (const JournalFile& file : files) {
    if (file.entries == 0) continue;
    if (!sequence) sequence = Sequence{file.seqnum_id, 0};
    if (sequence->id != file.seqnum_id) return {};
    // The entry with the last number may not be there yet.
    sequence->last_seqnum = std::max(sequence->last_seqnum, file.tail_seqnum - 1);
  }
  return sequence;
}

}  // namespace

bool JournalReader::is_time_to_narrow() const {
  return in_a_row_ >= kNarrowAfter && !narrowed_ && !through_ && already_.empty() && !position_.unread &&
         Clock::now() >= narrow_at_;
}

Status JournalReader::narrow() {
  const auto began = Clock::now();
  const auto used_before = thread_cpu_time();
  widen_at_ = position_;
  const auto range = range_of_single_terms();
  if (!range) return range.error();
  if (*range) {
    if (auto status = selection_.apply_single_terms(journal_.get()); !status) return status;
    if (auto status = seek(position_); !status) return status;
    narrowed_ = *range;
    widen_at_.reset();
  } else if (auto status = widen(); !status) {
    return status;
  }
  // Going back to all terms costs about as much again.
  narrow_at_ = began + 2 * kNarrowShare * (thread_cpu_time() - used_before);
  return {};
}

// Nothing when it would be too short, or cannot be known. Leaves the journal with other matches and another position.
Result<std::optional<SequenceRange>> JournalReader::range_of_single_terms() {
  const std::optional<SequenceRange> none;
  const auto position = Cursor::parse(position_.cursor);
  // Before it is asked what there is: what comes meanwhile has a higher number.
  const auto sequence = only_sequence(list_journal_files(places_, ledger_.files()));
  if (!position || !sequence || position->seqnum_id != sequence->id) return none;
  const auto combined = next_of_combined_terms();
  if (!combined) return combined.error();
  std::uint64_t last_seqnum = sequence->last_seqnum;
  if (*combined) {
    if ((*combined)->seqnum_id != sequence->id) return none;
    last_seqnum = std::min(last_seqnum, (*combined)->seqnum - 1);
  }
  if (last_seqnum < position->seqnum + kNarrowAfter) return none;
  return std::optional(SequenceRange(sequence->id, last_seqnum));
}

// The first entry after the position that several terms together find.
Result<std::optional<Cursor>> JournalReader::next_of_combined_terms() {
  sd_journal* journal = journal_.get();
  if (auto status = selection_.apply_combined_terms(journal); !status) return status.error();
  int result = sd_journal_seek_cursor(journal, position_.cursor.c_str());
  if (result >= 0) result = sd_journal_next(journal);
  if (result > 0 && sd_journal_test_cursor(journal, position_.cursor.c_str()) > 0) result = sd_journal_next(journal);
  if (result < 0) return journal_error("the next entry of several terms", result);
  if (result == 0) return std::optional<Cursor>();
  std::string text;
  if (auto status = read_cursor(text); !status) return status.error();
  const auto found = Cursor::parse(text);
  if (!found) return found.error();
  return std::optional(*found);
}

Status JournalReader::widen(Position position) {
  widen_at_ = std::move(position);
  return widen();
}

Status JournalReader::widen() {
  narrowed_.reset();
  if (auto status = selection_.apply(journal_.get(), boot_only()); !status) return status;
  if (auto status = seek(*widen_at_); !status) return status;
  widen_at_.reset();
  return {};
}

}  // namespace stargazer
