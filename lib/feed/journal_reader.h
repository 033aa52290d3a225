// The entries of some units in the systemd journal, from a position on, for ever: sd-journal with its traps closed.
//
// The position is the cursor of an entry. It survives rotation, vacuum, re-opening, and a reboot. An entry that appears
// in a new file is seen after process(); one in a file that is already open is seen by next() at once.
//
// Globs are expanded against the units that the journal knows, and again as it grows. A unit that turns up between two
// expansions has entries that were passed by: the reader then goes back to where it stood at the earlier expansion and
// reads on from there, leaving out what it has already returned. So nothing of a new unit is missed and nothing is
// repeated; the entries of a new unit may come a little later than those of others.
//
// Nearly all entries of a unit are found by one term, "_SYSTEMD_UNIT=". The others that `journalctl -u` looks for, such
// as what systemd says of the unit, take several terms together, and libsystemd spends more on looking those up, for
// every entry, than on all the rest of going to it. So where many entries come in a row the reader asks once where the
// next one of those others is, and goes up to there by the one term.
//
// Entries that go away before they were read are told as a Gap. How that is found, and what cannot be known, is in
// journal_ledger.h.
//
// Not thread-safe: all calls from one thread, the one that made it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include <systemd/sd-journal.h>

#include "core/result.h"
#include "core/time.h"
#include "feed/cursor.h"
#include "feed/entry_renderer.h"
#include "feed/growth_watch.h"
#include "feed/journal_files.h"
#include "feed/journal_ledger.h"
#include "feed/mapped_entries.h"
#include "feed/sequence_range.h"
#include "feed/unit_match.h"

namespace stargazer {

// Where reading begins. All of it counts for the first open() alone.
struct StartAt {
  std::string after_cursor;         // a saved position; "" = none, and then the two that follow count
  std::uint32_t backlog = 0;        // the last entries: of this boot, or with a directory of any
  std::optional<WallTime> since{};  // from this time on, should that be earlier than the backlog
  // With a saved position: the last entry that was acknowledged. What lies between the two is left out, except the
  // entries of a unit that the journal did not know yet at the saved position. "" = nothing is left out.
  std::string through{};
};

// Entries that are in no file any more, or in none that can be read, and have not been returned.
struct Gap {
  std::string after_cursor;       // the last entry before it that is known to have been read; "" = not known
  std::string next_cursor;        // the first entry after it; "" = none yet
  std::uint64_t entries_max = 0;  // not more than these, of all units; 0 = not known
  std::string reason;
};

class JournalReader {
 public:
  using Clock = std::chrono::steady_clock;

  // Globs are expanded again this long after the last time, if something was written since.
  static constexpr std::chrono::seconds kExpandEvery{2};
  // ... or after this many entries, which bounds what is remembered for going back.
  static constexpr std::size_t kRecentMax = 16384;
  // When next() comes to the end, the files are looked at, to know what was passed: for at most one part in so many of
  // the thread's time.
  static constexpr int kLookShare = 20;
  // So many entries have to come in a row before it is asked where the next one with several terms is. Asking takes at
  // most one part in so many of the thread's time.
  static constexpr std::size_t kNarrowAfter = 256;
  static constexpr int kNarrowShare = 20;
  // Fields of an entry that is just being written are awaited for so long.
  static constexpr std::chrono::milliseconds kFieldsWithin{250};
  // So many gaps are kept for take_gap(); of more, the last one counts them all.
  static constexpr std::size_t kGapsMax = 64;
  // Roots that were missing, and a journal that cannot be watched, are looked at this often.
  static constexpr std::chrono::seconds kLookAgainEvery{2};

  // `units`: names and globs as `journalctl -u` takes them. `directory`: "" = the system's journal. `name_space`: of
  // journald's namespaces the one to read, "" = the default one. REQUIRES: `units` is not empty; one of `directory` and
  // `name_space` is empty.
  // `selection`: what of the entries is to be appended.
  JournalReader(const std::vector<std::string>& units, std::string directory, std::string name_space = "",
                EntrySelection selection = {});

  // Opens the journal, and again after a failure. Fails when there is no journal, when not one of its files can be
  // read, or when libsystemd fails; the message says which.
  // The first success sets the position as `start` says. Later ones keep the position.
  Status open(const StartAt& start);
  bool is_open() const { return journal_ != nullptr; }

  // False when next() would find nothing new, as far as the files themselves tell: cheaper than next(), to be asked
  // often. What it misses comes with fd(). Some calls after the last change it makes next() seek, should the last entry
  // that the files count not have been found (growth_watch.h). REQUIRES: is_open().
  bool may_have_grown();

  // True when files may exist that this open journal cannot see: time to call open() again.
  bool is_outdated();

  // Goes to the next entry; false when there is none yet. After a failure call recover() before the next call.
  // REQUIRES: is_open().
  Result<bool> next();

  // Of the entry that next() went to. Before the first one, and at the end of the journal, it may be a place that no
  // entry of these units has, or "".
  const std::string& cursor() const { return position_.cursor; }
  // For StartAt::after_cursor of the next start, which then misses nothing, provided that all entries returned so far
  // were acknowledged. With globs it can lie up to kExpandEvery before cursor(), and further while the entries of a new
  // unit are caught up with. "" = not known yet: start without it.
  const std::string& safe_cursor() const { return selection_.has_globs() ? expanded_at_.passed() : position_.passed(); }
  // For StartAt::through of the next start, which then repeats nothing of the units that are known now.
  const std::string& through_cursor() const;

  // A gap that was found since the last call, the oldest first.
  std::optional<Gap> take_gap();
  // What is worth one line in the log and no failure, found since the last call; "" = nothing.
  std::string take_notice();

  // Appends the entry that next() went to, as one JSON object; false, and nothing is appended, when the selection
  // leaves it out. Blocks while the entry is just being written, for kFieldsWithin at most (entry_check.h).
  // Fails, leaving `out` as it was, when it cannot be read: corrupt, or vacuumed in this moment.
  Result<bool> append_entry(OutBuffer& out);

  // After a failure of next(): first takes note of changed files, later opens the journal anew, and in the end steps
  // past the place by time. The caller pauses between failures. REQUIRES: is_open(); a failure may leave it closed.
  Status recover();

  // Takes note of new, changed and deleted files. To be called whenever fd() is readable or timeout() has passed, also
  // while nothing is read, since deleted files stay open until then. REQUIRES: is_open().
  Status process();

  // Looks for new units if that is due. REQUIRES: is_open().
  Status expand_units();

  // To poll for events(); -1 when the kernel refused to watch (inotify limits) or nothing is open.
  int fd() const { return fd_; }
  short events() const;
  // When to call process() at the latest, from now on; nullopt = never.
  std::optional<std::chrono::milliseconds> timeout() const;

  // When expand_units() or is_outdated() has something to do at the latest, from now on; nullopt = not before the
  // journal changes.
  std::optional<std::chrono::milliseconds> expand_in() const;
  std::optional<std::chrono::milliseconds> look_again_in() const;

  // How many entries the files hold after that one, those of other units included; 0 when it is not known. Looks at the
  // files.
  std::uint64_t entries_after_max(const std::string& cursor) const;

  // How many entries next() has found by one term alone.
  std::uint64_t found_narrowed() const { return found_narrowed_; }
  // How many entries append_entry() has read straight from their file (mapped_entries.h).
  std::uint64_t appended_mapped() const { return appended_mapped_; }

  // True when the globs match more units than are read, see UnitSelection::kUnitsMax.
  bool truncated() const { return selection_.truncated(); }
  // True when journald's main file exists but may not be read, so that only a part of the entries can be seen.
  bool lacks_permission() const;

 private:
  struct Closer {
    void operator()(sd_journal* journal) const { sd_journal_close(journal); }
  };
  struct Position {
    std::string cursor;    // "" = before the first entry
    bool unread = false;   // the entry itself has not been returned yet
    std::string before{};  // what was passed before it; "" = not known

    const std::string& passed() const { return unread ? before : cursor; }
  };

  Status open_files();
  Status seek_start(const StartAt& start);
  Status resume(const StartAt& start, bool& usable);
  Status seek_saved(const Cursor& saved, const StartAt& start);
  Status begin_catching_up(const StartAt& start);
  Status end_catching_up();
  int go_to_backlog(std::uint32_t backlog);
  Status seek_backlog(const StartAt& start);
  Status begin_at_end();
  Result<bool> holds(const Cursor& cursor);
  bool boot_only() const { return directory_.empty() && position_.cursor.empty(); }
  Status seek(const Position& position);
  Status seek_time(std::uint64_t realtime_usec);
  Status land(int result, const Position* wanted);
  Status read_cursor(std::string& text);
  Result<bool> step();
  Result<bool> step_by_matches();
  Result<bool> step_to_what_was_passed_by();
  bool is_time_to_narrow() const;
  Status narrow();
  Result<std::optional<SequenceRange>> range_of_single_terms();
  Result<std::optional<Cursor>> next_of_combined_terms();
  Status widen(Position position);
  Status widen();
  Status await_fields();
  bool is_known_finished(const std::string& cursor) const;
  bool is_finished(const Cursor& entry);
  bool is_past_catching_up() const;
  bool accept();
  bool is_known_by_now(const Position& position) const;
  Result<bool> expand();
  bool look_for_end();
  Result<bool> take_changes();
  void note_end();
  void look();
  void report(const std::vector<JournalLoss>& losses);
  void add_gap(Gap gap);
  Cursor last_returned() const;

  const std::string directory_;
  const std::string name_space_;
  UnitSelection selection_;
  std::unique_ptr<sd_journal, Closer> journal_;
  int fd_ = -1;
  Clock::time_point opened_{};
  std::vector<std::string> missing_roots_;

  bool positioned_ = false;
  Position position_;
  std::string next_cursor_;  // where the next position is read to
  unsigned failures_ = 0;    // of next(), in a row

  // In it, single terms alone find every entry, and while it is set the journal has only those as its matches.
  std::optional<SequenceRange> narrowed_;
  // The journal's matches are not those that next() needs: it has to go here with all of them first.
  std::optional<Position> widen_at_;
  std::size_t in_a_row_ = 0;               // entries since the last end
  bool at_end_ = false;                    // next() has found nothing
  std::optional<SequenceRange> finished_;  // entries that have others after them, or will never have
  std::uint64_t found_narrowed_ = 0;
  std::uint64_t appended_mapped_ = 0;
  Clock::time_point narrow_at_{};

  std::uint64_t skip_usec_ = 1;  // how far the next step past a place by time goes

  const JournalPlaces places_;
  JournalLedger ledger_;
  GrowthWatch growth_;
  MappedEntries mapped_;
  std::deque<Gap> gaps_;
  std::string notice_;
  bool grown_ = true;        // since the end was noted
  bool noting_end_ = false;  // the ledger has a list that next() has to confirm
  Clock::time_point look_at_{};

  // After a start: the entries up to here of units that were known then are left out.
  std::optional<Cursor> through_;
  std::string through_text_;

  bool changed_ = false;  // since the last expansion
  Clock::time_point expanded_{};
  // Up to here all units were known. What the files held at the last expansion is of known units.
  Position expanded_at_;
  std::map<JournalId, std::uint64_t> known_until_;  // the last number then, by sequence
  std::vector<std::size_t> recent_;                 // hashes of the cursors returned since then
  std::unordered_set<std::size_t> already_;         // after going back: those to leave out
  std::string went_back_from_;

  EntryRenderer renderer_;
};

}  // namespace stargazer
