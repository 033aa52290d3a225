// The part of JournalReader that reads the entry to which it has gone.
#include <algorithm>
#include <thread>

#include "feed/entry_check.h"
#include "feed/journal_reader.h"

namespace stargazer {
namespace {

// Between two looks at fields that journald has not finished.
constexpr std::chrono::microseconds kFieldsPauseMin{50};
constexpr std::chrono::microseconds kFieldsPauseMax{5000};

}  // namespace

Result<bool> JournalReader::append_entry(OutBuffer& out) {
  if (auto status = await_fields(); !status) return status.error();
  EntryFields* const mapped =
      is_known_finished(position_.cursor) ? mapped_.find(position_.cursor, ledger_.files()) : nullptr;
  if (mapped != nullptr) {
    if (auto appended = renderer_.append(*mapped, position_.cursor, out)) {
      ++appended_mapped_;
      return appended;
    }
  }
  LibsystemdFields fields(journal_.get());
  return renderer_.append(fields, position_.cursor, out);
}

// In place and not by going back: it is a moment, unless who writes the journal is stopped in it.
Status JournalReader::await_fields() {
  if (is_known_finished(position_.cursor)) return {};
  const auto cursor = Cursor::parse(position_.cursor);
  if (!cursor || !cursor->xor_hash) return {};
  const auto until = Clock::now() + kFieldsWithin;
  auto pause = kFieldsPauseMin;
  while (!is_finished(*cursor)) {
    const auto whole = is_whole(journal_.get(), *cursor->xor_hash, EntryRenderer::kThresholdBytes);
    if (!whole) return whole.error();
    if (*whole) return {};
    if (Clock::now() >= until) {
      notice_ = "an entry is not finished by who writes the journal, and may lack fields: " + position_.cursor;
      return {};
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, kFieldsPauseMax);
  }
  return {};
}

// What is found by single terms has entries after it.
bool JournalReader::is_known_finished(const std::string& cursor) const {
  return narrowed_ || (finished_ && finished_->covers(cursor));
}

bool JournalReader::is_finished(const Cursor& entry) {
  finished_ = SequenceRange(entry.seqnum_id, growth_.finished_through(entry.seqnum_id));
  return finished_->covers(position_.cursor);
}

}  // namespace stargazer
