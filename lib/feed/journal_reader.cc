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

namespace stargazer {
namespace {

constexpr std::array<const char*, 2> kRoots = {"/run/log/journal", "/var/log/journal"};

// Failures of next() in a row after which the journal is opened anew, and after which the place is given up.
constexpr unsigned kReopenAfter = 5;
constexpr unsigned kStepPastAfter = 10;

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

JournalReader::JournalReader(const std::vector<std::string>& units, std::string directory, std::string name_space)
    : directory_(std::move(directory)), name_space_(std::move(name_space)), selection_(units) {}

Status JournalReader::open(const StartAt& start) {
  Status status = open_files();
  if (status) status = positioned_ ? seek(position_) : seek_start(start);
  if (!status) {
    journal_.reset();
    fd_ = -1;
    return status.error().in(directory_.empty() ? "system journal" : "journal " + directory_);
  }
  positioned_ = true;
  return {};
}

Status JournalReader::open_files() {
  journal_.reset();
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
  if (positioned_) {
    // New units wait for expand_units(), which knows how far to go back for them.
    changed_ = true;
  } else {
    if (auto grown = selection_.expand(journal); !grown) return grown.error();
    expanded_ = opened_;
  }
  return selection_.apply(journal, directory_.empty());
}

bool JournalReader::is_outdated() {
  if (!is_open() || Clock::now() < opened_ + kLookAgainEvery) return false;
  // libsystemd watches the roots that existed when it opened the journal, and no others.
  return fd_ == -1 || std::any_of(missing_roots_.begin(), missing_roots_.end(),
                                  [](const std::string& root) { return access(root.c_str(), F_OK) == 0; });
}

Status JournalReader::seek_start(const StartAt& start) {
  const auto& [after_cursor, backlog, since, through] = start;
  if (!after_cursor.empty()) return seek({after_cursor, false});
  sd_journal* journal = journal_.get();
  if (auto status = to_status("seek", sd_journal_seek_tail(journal)); !status) return status;
  // One back even without a backlog: only from an entry on does next() see those that follow.
  const int found = sd_journal_previous_skip(journal, std::max(backlog, 1U));
  // Nothing matches yet: at the tail, next() would lose the first entries, or all.
  if (found == 0) return seek({});
  if (auto status = land(found, nullptr); !status) return status;
  position_.unread = backlog > 0;
  std::uint64_t usec = 0;
  if (auto status = to_status("time", sd_journal_get_realtime_usec(journal, &usec)); !status) return status;
  const auto since_usec = since ? static_cast<std::uint64_t>(since->time_since_epoch().count()) : 0;
  if (since && usec > since_usec) {
    if (auto status = seek_time(since_usec); !status) return status;
  }
  expanded_at_ = position_;
  return {};
}

Status JournalReader::seek(const Position& position) {
  const Position wanted = position;
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

// Takes note of the entry that a seek led to. When it is not the `wanted` one, that is gone and this is the one after
// it.
Status JournalReader::land(int result, const Position* wanted) {
  position_.unread = false;
  if (result < 0) return journal_error("seek", result);
  if (result == 0) return {};
  if (auto status = read_cursor(); !status) return status;
  const bool exact = wanted != nullptr && sd_journal_test_cursor(journal_.get(), wanted->cursor.c_str()) > 0;
  position_.unread = exact ? wanted->unread : true;
  return {};
}

Status JournalReader::read_cursor() {
  char* text = nullptr;
  if (auto status = to_status("cursor", sd_journal_get_cursor(journal_.get(), &text)); !status) return status;
  const std::unique_ptr<char, decltype(&std::free)> owner(text, &std::free);
  position_ = {text, false};
  return {};
}

Result<bool> JournalReader::next() {
  for (;;) {
    const bool here = std::exchange(position_.unread, false);
    const int result = here ? 1 : sd_journal_next(journal_.get());
    if (result < 0) return journal_error("next entry", result);
    failures_ = 0;
    if (result == 0) {
      already_.clear();
      return false;
    }
    // One whose cursor cannot be read is unreadable as a whole; append_entry says so.
    if (!here && !read_cursor()) return true;
    if (!selection_.has_globs()) return true;
    if (!is_repeated()) return true;
  }
}

bool JournalReader::is_repeated() {
  const std::size_t hash = hash_of(position_.cursor);
  if (already_.erase(hash) != 0) return true;
  recent_.push_back(hash);
  return false;
}

std::optional<Gap> JournalReader::take_gap() {
  return std::exchange(gap_, {});
}

std::string JournalReader::take_notice() {
  return std::exchange(notice_, {});
}

Status JournalReader::append_entry(std::string& out) {
  if (auto status = read_cursor(); !status) return status;
  return renderer_.append(journal_.get(), position_.cursor, out);
}

Status JournalReader::recover() {
  ++failures_;
  if (failures_ % kReopenAfter != 0) return process();
  const bool give_up = failures_ >= kStepPastAfter;
  if (auto status = open({}); !status || !give_up) return status;
  failures_ = 0;
  return seek_time(renderer_.realtime_usec() + 1);
}

Status JournalReader::process() {
  const int result = sd_journal_process(journal_.get());
  if (result > 0) changed_ = true;
  return to_status("process", result);
}

Status JournalReader::expand_units() {
  if (!selection_.has_globs() || position_.unread) return {};
  const bool due = changed_ && Clock::now() >= expanded_ + kExpandEvery;
  if (!due && recent_.size() < kRecentMax) return {};
  changed_ = false;
  expanded_ = Clock::now();
  const auto grown = selection_.expand(journal_.get());
  if (!grown) return grown.error();
  if (*grown) {
    already_.insert(recent_.begin(), recent_.end());
    if (auto status = selection_.apply(journal_.get(), directory_.empty()); !status) return status;
    if (auto status = seek(expanded_at_); !status) return status;
  } else {
    expanded_at_ = position_;
  }
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

bool JournalReader::lacks_permission() const {
  sd_id128_t machine{};
  if (!directory_.empty() || sd_id128_get_machine(&machine) < 0) return false;
  return std::any_of(kRoots.begin(), kRoots.end(), [&machine](const char* root) {
    const std::string file = std::string(root) + "/" + to_text(machine) + "/system.journal";
    return access(file.c_str(), R_OK) != 0 && errno == EACCES;
  });
}

}  // namespace stargazer
