// The part of JournalReader that finds the first position.
#include <algorithm>
#include <chrono>
#include <iterator>
#include <numeric>
#include <utility>

#include <systemd/sd-id128.h>

#include "feed/journal_error.h"
#include "feed/journal_reader.h"
#include "feed/position_check.h"

namespace stargazer {
namespace {

Status to_status(std::string_view what, int result) {
  return result < 0 ? Status(journal_error(what, result)) : Status();
}

WallTime wall_now() {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

JournalId this_boot() {
  sd_id128_t boot{};
  JournalId id{};
  if (sd_id128_get_boot(&boot) >= 0) std::copy(std::begin(boot.bytes), std::end(boot.bytes), id.begin());
  return id;
}

}  // namespace

Status JournalReader::seek_start(const StartAt& start) {
  bool resumed = false;
  if (auto status = resume(start, resumed); !status) return status;
  if (!resumed) {
    ledger_.begin(list_journal_files(places_, {}), Cursor());
    if (auto status = seek_backlog(start); !status) return status;
    // Nothing before the backlog was asked for.
    const auto cursor = Cursor::parse(position_.cursor);
    if (cursor) ledger_.begin(ledger_.files(), *cursor);
  }
  if (!through_) expanded_at_ = position_;
  // Of what came since the files were listed, some may be of units that are not known.
  changed_ = true;
  return {};
}

// Goes to where a saved position says. `resumed`: it is there, or what comes after it is; otherwise the start is one
// without it.
Status JournalReader::resume(const StartAt& start, bool& resumed) {
  resumed = false;
  if (start.after_cursor.empty()) return {};
  const auto saved = Cursor::parse(start.after_cursor);
  const std::string_view context = "the saved position is not used: ";
  if (!saved) {
    notice_ = std::string(context) + "it " + saved.error().message();
    return {};
  }
  auto files = list_journal_files(places_, {});
  const auto found = holds(*saved);
  if (!found) return found.error();
  const PositionCheck check = check_position(*saved, *found, files, wall_now());
  if (!check.usable) {
    notice_ = std::string(context) + check.reason;
    return selection_.apply(journal_.get(), boot_only());
  }
  resumed = true;
  const auto losses = ledger_.begin(std::move(files), *saved);
  if (auto status = seek_saved(*saved, start); !status) return status;
  if (!check.reason.empty()) {
    add_gap({start.after_cursor, position_.unread ? position_.cursor : "", check.entries_max, check.reason});
  }
  report(losses);
  return {};
}

// Whether the journal has this very entry, of whichever unit. Leaves it without matches.
Result<bool> JournalReader::holds(const Cursor& cursor) {
  sd_journal* journal = journal_.get();
  sd_journal_flush_matches(journal);
  if (auto status = to_status("seek", sd_journal_seek_cursor(journal, cursor.text().c_str())); !status) {
    return status.error();
  }
  // An entry that cannot be read is not there; what comes after it is the matter of next().
  if (sd_journal_next(journal) <= 0) return false;
  std::string text;
  if (!read_cursor(text)) return false;
  const auto at = Cursor::parse(text);
  return at && at->same_entry(cursor);
}

// No match of a boot: the host may have been rebooted since.
Status JournalReader::seek_saved(const Cursor& saved, const StartAt& start) {
  position_ = {start.after_cursor, false};
  const auto through = Cursor::parse(start.through);
  if (selection_.has_globs() && through && through->is_after(saved)) {
    through_ = *through;
    through_text_ = start.through;
    expanded_at_ = position_;
    return begin_catching_up(start);
  }
  if (auto status = selection_.apply(journal_.get(), false); !status) return status;
  return seek(position_);
}

// Between the saved position and `through_` only the entries of units that were not known then are to be read.
Status JournalReader::begin_catching_up(const StartAt& start) {
  const std::string& from = start.after_cursor.empty() ? safe_cursor() : start.after_cursor;
  const auto new_units = selection_.new_after(journal_.get(), from);
  if (!new_units) return new_units.error();
  if (new_units->empty()) return end_catching_up();
  if (auto status = UnitSelection::apply_only(journal_.get(), *new_units); !status) return status;
  return seek(position_);
}

Status JournalReader::end_catching_up() {
  through_.reset();
  if (auto status = selection_.apply(journal_.get(), false); !status) return status;
  recent_.clear();
  if (auto status = seek({through_text_, false}); !status) return status;
  expanded_at_ = {through_text_, false};
  return {};
}

bool JournalReader::is_past_catching_up() const {
  const auto cursor = Cursor::parse(position_.cursor);
  return cursor && (cursor->is_after(*through_) || cursor->same_entry(*through_));
}

// Answers as sd_journal_next does.
int JournalReader::go_to_backlog(std::uint32_t backlog) {
  sd_journal* journal = journal_.get();
  const auto& files = ledger_.files();
  const auto entries = std::accumulate(files.begin(), files.end(), std::uint64_t{0},
                                       [](std::uint64_t sum, const JournalFile& file) { return sum + file.entries; });
  // To go back over all of them, one by one, would cost a good part of what reading them does.
  if (entries <= backlog) {
    const int result = sd_journal_seek_head(journal);
    return result < 0 ? result : sd_journal_next(journal);
  }
  const int result = sd_journal_seek_tail(journal);
  // One back even without a backlog: only from an entry on does next() see those that follow.
  return result < 0 ? result : sd_journal_previous_skip(journal, std::max(backlog, 1U));
}

Status JournalReader::seek_backlog(const StartAt& start) {
  sd_journal* journal = journal_.get();
  const int found = go_to_backlog(start.backlog);
  if (found == 0) return begin_at_end();
  if (auto status = land(found, nullptr); !status) return status;
  position_.unread = start.backlog > 0;
  std::uint64_t usec = 0;
  if (auto status = to_status("time", sd_journal_get_realtime_usec(journal, &usec)); !status) return status;
  const auto since_usec = start.since ? static_cast<std::uint64_t>(start.since->time_since_epoch().count()) : 0;
  if (start.since && usec > since_usec) {
    if (auto status = seek_time(since_usec); !status) return status;
  }
  // The boot restricts the backlog alone.
  if (auto status = selection_.apply(journal, false); !status) return status;
  return seek(position_);
}

// Nothing matches yet: at the tail, next() would lose the first entries, or all. What the files held before the tail
// was looked at does not match, so all that matches comes after that.
Status JournalReader::begin_at_end() {
  const JournalFile* newest = newest_file(ledger_.files());
  if (newest == nullptr) return seek({});
  Cursor end = newest->tail();
  // To a file of an earlier boot nothing is added any more.
  if (boot_only() && end.boot != this_boot()) end.seqnum = newest->tail_seqnum;
  position_ = {end.text(), false};
  if (auto status = selection_.apply(journal_.get(), false); !status) return status;
  return seek(position_);
}

}  // namespace stargazer
