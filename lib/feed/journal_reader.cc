#include "feed/journal_reader.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <limits>
#include <unistd.h>
#include <utility>

#include <systemd/sd-id128.h>

#include "feed/journal_error.h"
#include "feed/sigbus.h"
#include "feed/thread_cpu_time.h"

namespace stargazer {
namespace {

constexpr std::array<const char*, 2> kRoots = {"/run/log/journal", "/var/log/journal"};

// Failures of next() in a row after which the journal is opened anew, and after which the place is given up.
constexpr unsigned kReopenAfter = 5;
constexpr unsigned kStepPastAfter = 10;
// By how much more the next step past a bad place goes, and the farthest.
constexpr std::uint64_t kSkipFactor = 1000;
constexpr std::uint64_t kSkipMaxUsec = 3'600'000'000;

Status to_status(std::string_view what, int result) {
  return result < 0 ? Status(journal_error(what, result)) : Status();
}

std::string to_text(sd_id128_t id) {
  std::array<char, SD_ID128_STRING_MAX> text{};
  return sd_id128_to_string(id, text.data());
}

std::size_t hash_of(const std::string& cursor) {
  return std::hash<std::string>()(cursor);
}

std::vector<std::string> missing_roots() {
  std::vector<std::string> missing;
  for (const char* root : kRoots) {
    if (access(root, F_OK) != 0) missing.emplace_back(root);
  }
  return missing;
}

}  // namespace

JournalReader::JournalReader(const std::vector<std::string>& units, std::string directory, std::string name_space,
                             EntrySelection selection)
    : directory_(std::move(directory)),
      name_space_(std::move(name_space)),
      selection_(units),
      places_(journal_places(directory_, name_space_)),
      renderer_(std::move(selection)) {}

Status JournalReader::open(const StartAt& start) {
  Status status = open_files();
  if (status) status = positioned_ ? seek(widen_at_.value_or(position_)) : seek_start(start);
  if (status) {
    positioned_ = true;
    widen_at_.reset();
    growth_.watch(ledger_.files());
    return {};
  }
  journal_.reset();
  fd_ = -1;
  return status.error().in(directory_.empty() ? "system journal" : "journal " + directory_);
}

Status JournalReader::open_files() {
  journal_.reset();
  mapped_.clear();
  narrowed_.reset();
  opened_ = Clock::now();
  if (directory_.empty()) missing_roots_ = missing_roots();
  sd_journal* journal = nullptr;
  const char* const name = name_space_.empty() ? nullptr : name_space_.c_str();
  const int opened = directory_.empty() ? sd_journal_open_namespace(&journal, name, SD_JOURNAL_LOCAL_ONLY)
                                        : sd_journal_open_directory(&journal, directory_.c_str(), 0);
  if (opened < 0) return journal_error("open", opened);
  journal_.reset(journal);
  // Before seeking, so that no change is missed. Without it (inotify limits) the journal is looked at from time to
  // time.
  fd_ = std::max(sd_journal_get_fd(journal), -1);
  std::uint64_t bytes = 0;
  if (auto status = to_status("size", sd_journal_get_usage(journal, &bytes)); !status) return status;
  if (bytes == 0) return Error("no journal files, or no permission to read them");
  sd_journal_set_data_threshold(journal, EntryRenderer::kThresholdBytes);
  grown_ = true;
  if (positioned_) {
    look();
    // New units wait for expand_units(), which knows how far to go back for them.
    changed_ = true;
  } else {
    if (auto grown = expand(); !grown) return grown.error();
  }
  if (through_) return begin_catching_up({"", 0, {}, through_text_});
  return selection_.apply(journal, boot_only());
}

bool JournalReader::is_outdated() {
  if (!is_open() || Clock::now() < opened_ + kLookAgainEvery) return false;
  // libsystemd watches the roots that existed when it opened the journal, and no others.
  return fd_ == -1 || std::any_of(missing_roots_.begin(), missing_roots_.end(),
                                  [](const std::string& root) { return access(root.c_str(), F_OK) == 0; });
}

Status JournalReader::seek(const Position& position) {
  const Position wanted = position;
  growth_.seeks();
  if (wanted.cursor.empty()) {
    position_ = {};
    return to_status("seek", sd_journal_seek_head(journal_.get()));
  }
  if (auto status = to_status("seek", sd_journal_seek_cursor(journal_.get(), wanted.cursor.c_str())); !status) {
    return status;
  }
  return land(sd_journal_next(journal_.get()), &wanted);
}

Status JournalReader::seek_time(std::uint64_t realtime_usec) {
  if (auto status = to_status("seek", sd_journal_seek_realtime_usec(journal_.get(), realtime_usec)); !status) {
    return status;
  }
  return land(sd_journal_next(journal_.get()), nullptr);
}

// Takes note of the entry that a seek led to. When it is not the `wanted` one, that is gone or of another unit, and
// this is the one after it.
Status JournalReader::land(int result, const Position* wanted) {
  if (result < 0) return journal_error("seek", result);
  if (result == 0) {
    if (wanted != nullptr) position_ = {wanted->cursor, false};
    return {};
  }
  std::string text;
  if (auto status = read_cursor(text); !status) return status;
  const auto found = Cursor::parse(text);
  const auto sought = Cursor::parse(wanted == nullptr ? "" : wanted->cursor);
  const bool exact = found && sought && found->same_entry(*sought);
  const bool unread = !exact || wanted->unread;
  std::string before = wanted == nullptr ? position_.passed() : wanted->passed();
  position_ = {std::move(text), unread, std::move(before)};
  return {};
}

// Leaves `text` as it is when it fails.
Status JournalReader::read_cursor(std::string& text) {
  char* cursor = nullptr;
  if (auto status = to_status("cursor", sd_journal_get_cursor(journal_.get(), &cursor)); !status) return status;
  const std::unique_ptr<char, decltype(&std::free)> owner(cursor, &std::free);
  if (sigbus_pending()) return Error("a journal file was cut short while it was read");
  text.assign(cursor);
  return {};
}

// Goes to the next entry that is selected, whether it was returned before or not.
Result<bool> JournalReader::step() {
  if (widen_at_) {
    if (auto status = widen(); !status) return status.error();
  }
  if (is_time_to_narrow()) {
    if (auto status = narrow(); !status) return status.error();
  }
  auto found = step_by_matches();
  if (!found || !narrowed_) return found;
  if (*found && narrowed_->covers(position_.cursor)) {
    ++found_narrowed_;
    return true;
  }
  const Position last = *found ? Position{position_.before, false} : position_;
  if (auto status = widen(last); !status) return status.error();
  return step_by_matches();
}

Result<bool> JournalReader::step_by_matches() {
  if (std::exchange(position_.unread, false)) return true;
  const int result = sd_journal_next(journal_.get());
  if (result < 0) return journal_error("next entry", result);
  if (result == 0) return false;
  if (auto status = read_cursor(next_cursor_); !status) return status.error();
  // Texts change places, so that going to an entry allocates nothing.
  position_.before.swap(position_.cursor);
  position_.cursor.swap(next_cursor_);
  return growth_.watches_several() ? step_to_what_was_passed_by() : true;
}

// Goes to an older entry than the one that was found, if there is one now.
Result<bool> JournalReader::step_to_what_was_passed_by() {
  const auto found = Cursor::parse(position_.cursor);
  if (!found || position_.before.empty() || !growth_.may_have_passed_by(found->seqnum)) return true;
  // Should the seek fail, it is made again before anything else: what was found has not been returned.
  widen_at_ = position_ = {position_.before, false};
  if (auto status = seek(*widen_at_); !status) return status.error();
  widen_at_.reset();
  return step_by_matches();
}

bool JournalReader::may_have_grown() {
  if (fd_ == -1 || growth_.grown()) return true;
  if (!growth_.settled() || !at_end_ || widen_at_ || last_returned().seqnum >= growth_.last_begun()) return false;
  widen_at_ = position_;
  return true;
}

Result<bool> JournalReader::next() {
  for (;;) {
    auto found = step();
    if (!found) return found;
    failures_ = 0;
    skip_usec_ = 1;
    if (through_ && (!*found || is_past_catching_up())) {
      if (auto status = end_catching_up(); !status) return status.error();
      continue;
    }
    at_end_ = !*found;
    if (*found) {
      ++in_a_row_;
      grown_ = true;
      if (selection_.has_globs() && !accept()) continue;
      return true;
    }
    already_.clear();
    in_a_row_ = 0;
    if (!look_for_end()) return false;
  }
}

// Whether the entry is to be returned: it has not been before.
bool JournalReader::accept() {
  if (through_) return true;
  // The first one of the backlog was there when the units were looked for.
  if (expanded_at_.unread && expanded_at_.cursor == position_.cursor) expanded_at_.unread = false;
  const bool going_back = !already_.empty();
  if (!going_back && is_known_by_now(position_)) {
    expanded_at_ = position_;
    return true;
  }
  // Those that are left out as well: it may be necessary to go back once more.
  recent_.push_back(hash_of(position_.cursor));
  return !going_back || already_.erase(recent_.back()) == 0;
}

// Whether all units with entries up to there are known, so that nothing will be gone back for.
bool JournalReader::is_known_by_now(const Position& position) const {
  // Behind what was not known, nothing is.
  if (!recent_.empty()) return false;
  const auto cursor = Cursor::parse(position.cursor);
  if (!cursor) return false;
  const auto found = known_until_.find(cursor->seqnum_id);
  return found != known_until_.end() && cursor->seqnum <= found->second;
}

// At the end of all entries: what the files hold now has been read once next() comes to the end again. True when it has
// to be asked for that.
bool JournalReader::look_for_end() {
  if (std::exchange(noting_end_, false)) {
    note_end();
    return false;
  }
  if ((grown_ || fd_ == -1) && Clock::now() >= look_at_) {
    // Not by the clock: on a busy machine a look takes long and costs no more.
    const auto used_before = thread_cpu_time();
    look();
    look_at_ = Clock::now() + kLookShare * (thread_cpu_time() - used_before);
    grown_ = false;
    noting_end_ = true;
    // The end of one file is to be noted only if nothing older has been passed by in another.
    if (growth_.watches_several() && !widen_at_) widen_at_ = position_;
  }
  // After the list was made, so that libsystemd knows every file in it; should it have changed, it is given up. And
  // always, since only as long as no file goes away is it known that all up to the position was read.
  const auto changed = take_changes();
  if (!changed) noting_end_ = false;
  return noting_end_ || (changed && *changed);
}

// Everything in the ledger's files has been read. Once there are newer files than that of the position, the end of the
// newest takes its place: so it outlives a vacuum of files that are of no more use.
void JournalReader::note_end() {
  ledger_.passed_all();
  const JournalFile* newest = newest_file(ledger_.files());
  if (newest == nullptr) return;
  const Cursor last = last_returned();
  const Cursor end = newest->tail();
  const bool same_file = last.seqnum_id == newest->seqnum_id && last.seqnum >= newest->head_seqnum;
  if (same_file || !end.is_after(last) || end.realtime_usec <= last.realtime_usec) return;
  position_ = {end.text(), false};
}

const std::string& JournalReader::through_cursor() const {
  if (through_) return through_text_;
  return already_.empty() ? position_.passed() : went_back_from_;
}

Cursor JournalReader::last_returned() const {
  const auto cursor = Cursor::parse(position_.passed());
  return cursor ? *cursor : Cursor();
}

void JournalReader::look() {
  noting_end_ = false;
  finished_.reset();
  report(ledger_.update(list_journal_files(places_, ledger_.files()), last_returned()));
  growth_.watch(ledger_.files());
  mapped_.know(ledger_.files());
}

void JournalReader::report(const std::vector<JournalLoss>& losses) {
  for (const JournalLoss& loss : losses) {
    add_gap({position_.passed(), position_.unread ? position_.cursor : "", loss.entries_max,
             loss.path + " " + loss.reason});
  }
}

void JournalReader::add_gap(Gap gap) {
  if (gaps_.size() < kGapsMax) return gaps_.push_back(std::move(gap));
  Gap& last = gaps_.back();
  const bool known = last.entries_max > 0 && gap.entries_max > 0;
  last.entries_max = known ? last.entries_max + gap.entries_max : 0;
  last.next_cursor = gap.next_cursor;
  last.reason = "too many gaps to tell one by one; the last one: " + gap.reason;
}

std::optional<Gap> JournalReader::take_gap() {
  if (gaps_.empty()) return {};
  std::optional<Gap> gap = std::move(gaps_.front());
  gaps_.pop_front();
  return gap;
}

std::string JournalReader::take_notice() {
  return std::exchange(notice_, {});
}

Status JournalReader::recover() {
  ++failures_;
  if (failures_ % kReopenAfter != 0) return process();
  const bool give_up = failures_ >= kStepPastAfter;
  if (auto status = open({}); !status || !give_up) return status;
  failures_ = 0;
  const Cursor last = last_returned();
  // Further each time, since the bad place may be long.
  const std::uint64_t skip_usec = skip_usec_;
  skip_usec_ = std::min(skip_usec_ * kSkipFactor, kSkipMaxUsec);
  const std::string after = position_.passed();
  if (auto status = seek_time(last.realtime_usec + skip_usec); !status) return status;
  add_gap({after, position_.unread ? position_.cursor : "", 0, "a place in the journal cannot be read"});
  return {};
}

Status JournalReader::process() {
  const auto changed = take_changes();
  return changed ? Status() : changed.error();
}

// Whether anything has changed.
Result<bool> JournalReader::take_changes() {
  const int result = sd_journal_process(journal_.get());
  if (result < 0) return journal_error("process", result);
  if (result > SD_JOURNAL_NOP) {
    changed_ = grown_ = true;
    // libsystemd looks again only into files whose count of entries has changed since its last look, and one may have
    // been counted that could not be found yet.
    if (at_end_ && !widen_at_) widen_at_ = position_;
  }
  if (result == SD_JOURNAL_INVALIDATE) {
    look();
  } else if (!position_.cursor.empty()) {
    ledger_.passed(last_returned());
  }
  return result > SD_JOURNAL_NOP;
}

// Looks for new units among all that the journal holds now.
Result<bool> JournalReader::expand() {
  changed_ = false;
  expanded_ = Clock::now();
  if (!selection_.has_globs()) return false;
  known_until_.clear();
  for (const JournalFile& file : list_journal_files(places_, ledger_.files())) {
    if (file.entries == 0) continue;
    // The entry with the last number may not be there yet.
    std::uint64_t& until = known_until_[file.seqnum_id];
    until = std::max(until, file.tail_seqnum - 1);
  }
  return selection_.expand(journal_.get());
}

Status JournalReader::expand_units() {
  if (!selection_.has_globs() || position_.unread || through_) return {};
  const bool due = changed_ && Clock::now() >= expanded_ + kExpandEvery;
  const bool full = recent_.size() >= kRecentMax && already_.empty();
  if (!due && !full) return {};
  const auto grown = expand();
  if (!grown) return grown.error();
  if (*grown) {
    if (already_.empty()) went_back_from_ = position_.cursor;
    already_.insert(recent_.begin(), recent_.end());
    recent_.clear();
    return widen(expanded_at_);
  }
  if (!already_.empty()) return {};
  expanded_at_ = position_;
  recent_.clear();
  return {};
}

short JournalReader::events() const {
  return static_cast<short>(sd_journal_get_events(journal_.get()));
}

std::optional<std::chrono::milliseconds> JournalReader::timeout() const {
  std::uint64_t at_usec = std::numeric_limits<std::uint64_t>::max();
  if (fd_ == -1) return {};
  if (sd_journal_get_timeout(journal_.get(), &at_usec) <= 0) return {};
  if (at_usec == std::numeric_limits<std::uint64_t>::max()) return {};
  // CLOCK_MONOTONIC, which is what steady_clock reads.
  const auto left = std::chrono::microseconds(at_usec) - Clock::now().time_since_epoch();
  return std::max(std::chrono::ceil<std::chrono::milliseconds>(left), std::chrono::milliseconds(0));
}

std::optional<std::chrono::milliseconds> JournalReader::expand_in() const {
  if (!selection_.has_globs() || !changed_) return {};
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(expanded_ + kExpandEvery - Clock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

std::optional<std::chrono::milliseconds> JournalReader::look_again_in() const {
  if (fd_ != -1 && missing_roots_.empty()) return {};
  return std::chrono::duration_cast<std::chrono::milliseconds>(kLookAgainEvery);
}

std::uint64_t JournalReader::entries_after_max(const std::string& cursor) const {
  const auto position = Cursor::parse(cursor);
  if (!position) return 0;
  std::uint64_t tail_seqnum = position->seqnum;
  for (const JournalFile& file : list_journal_files(places_, ledger_.files())) {
    if (file.seqnum_id == position->seqnum_id) tail_seqnum = std::max(tail_seqnum, file.tail_seqnum);
  }
  return tail_seqnum - position->seqnum;
}

bool JournalReader::lacks_permission() const {
  sd_id128_t machine{};
  if (!directory_.empty() || sd_id128_get_machine(&machine) < 0) return false;
  return std::any_of(kRoots.begin(), kRoots.end(), [&machine](const char* root) {
    const std::string file = std::string(root) + "/" + to_text(machine) + "/system.journal";
    return access(file.c_str(), R_OK) != 0 && errno == EACCES;
  });
}

}  // namespace stargazer
