#include "feed/feed_loop.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>

#include "feed/gap_record.h"
#include "feed/sigbus.h"
#include "feed/thread_cpu_time.h"
#include "io/system_error.h"

namespace stargazer {
namespace {

// A different sequence in every process and at every start, so that nodes do not return to a Redis all at once.
std::uint64_t jitter_seed() {
  return static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
}

WallTime wall_now() {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

EntrySelection selection_of(const FeedConfig& config) {
  return {config.fields, config.max_entry_bytes, config.max_priority, config.include_identifiers,
          config.exclude_identifiers};
}

FeedSource source_of(const FeedConfig& config) {
  return {config.directory, config.name_space, config.units};
}

// What a server answers to a command that is longer than its proto-max-bulk-len, before it hangs up.
constexpr std::string_view kTooLong = "ERR Protocol error: invalid bulk length";

}  // namespace

FeedLoop::FeedLoop(const FeedConfig& config, const RedisTarget& redis, const std::string& position_file,
                   FeedReport::Sink log, std::function<void()> lag, const StopEvent& stop, FeedTally& tally)
    : config_(config),
      stop_(stop),
      tally_(tally),
      lag_(
          std::move(lag), [this] { return reader_.entries_after_max(window_.position().through); }, tally),
      report_(std::move(log), redis.shown()),
      reader_(config.units, config.directory, config.name_space, selection_of(config)),
      pipe_(redis, stop),
      window_(config),
      listeners_(config.channel, !config.stream.empty()),
      keeper_(position_file, source_of(config)),
      random_(jitter_seed()),
      started_(wall_now()) {}

Status FeedLoop::run() {
  const SigbusGuard guard;
  report_.started(config_);
  load_position();
  while (!is_finished()) {
    open_journal();
    connect();
    read();
    exchange();
    keep_position();
    tally_.set_last_cursor(window_.position().through);
    lag_.turn(unread_ || !window_.empty(), pipe_.connected(), reader_.cursor());
    if (auto status = wait(); !status) return status;
  }
  report_.stopped(tally_.counters());
  return {};
}

bool FeedLoop::is_finished() {
  if (!stop_.requested()) return false;
  const auto now = Clock::now();
  if (!finish_by_) finish_by_ = now + kStopGrace;
  return window_.empty() || !pipe_.connected() || now >= *finish_by_;
}

void FeedLoop::load_position() {
  start_.backlog = config_.backlog;
  auto saved = keeper_.load();
  if (!saved) return report_.trouble("position", "the saved position is not used: " + saved.error().message());
  if (!*saved) return;
  start_.after_cursor = (*saved)->cursor;
  start_.through = (*saved)->through;
}

void FeedLoop::open_journal() {
  const auto now = Clock::now();
  const bool needed = !reader_.is_open() || reader_.is_outdated();
  if (!needed || now < open_at_) return;
  open_at_ = now + kOpenEvery;
  if (journal_was_late_) start_.since = started_;
  if (auto status = reader_.open(start_); !status) {
    journal_was_late_ = true;
    return report_.journal_failed(status.error());
  }
  unread_ = true;
  report_.journal_works();
  if (reader_.fd() == -1) {
    report_.trouble("watch", "the kernel cannot watch the journal (inotify limits); looking at it every 2 s instead");
  }
  if (reader_.lacks_permission()) {
    report_.trouble("permission", "no permission to read the system's journal: the user needs group systemd-journal");
  }
}

void FeedLoop::connect() {
  const auto now = Clock::now();
  if (pipe_.connected() || now < connect_at_ || stop_.requested()) return;
  if (auto status = pipe_.connect(); !status) return redis_trouble(status.error());
  listeners_.connected();
  made_progress(Clock::now());
  // With entries in flight only their replies show that it works.
  if (window_.empty()) redis_works();
}

void FeedLoop::redis_works() {
  backoff_ = kBackoffMin;
  report_.redis_works();
}

void FeedLoop::redis_trouble(const Error& error) {
  pipe_.close();
  window_.rewind();
  question_.clear();
  if (stop_.requested()) return;
  FeedTally::add(tally_.redis_failures, 1);
  if (error.message().starts_with(kTooLong) && window_.refusable_cursor()) return leave_out_refused(error);
  report_.redis_failed(error);
  connect_at_ = Clock::now() + backoff_ - random_.up_to(backoff_ / 2);
  backoff_ = std::min(backoff_ * 2, kBackoffMax);
}

void FeedLoop::leave_out_refused(const Error& error) {
  const std::string cursor = *window_.refusable_cursor();
  FeedTally::add(tally_.entries_refused, 1);
  window_.replace_refused(gap_record({"", cursor, 1, "refused by redis: " + error.message()}, config_.channel));
  report_.trouble("refused",
                  "redis refuses an entry for its length (proto-max-bulk-len) and it is left out: " + cursor);
}

void FeedLoop::read() {
  const auto now = Clock::now();
  if (!may_read() || now < read_at_ || !is_time_to_look(now)) return;
  const auto used_before = thread_cpu_time();
  if (!unread_ && !reading_failed_ && !is_time_to_expand() && !reader_.may_have_grown()) {
    look_at_ = Clock::now() + pause_after(0, thread_cpu_time() - used_before);
    return;
  }
  if (reading_failed_) {
    if (auto status = reader_.recover(); !status) return journal_trouble(status.error());
    reading_failed_ = false;
  }
  if (auto status = reader_.expand_units(); !status) return journal_trouble(status.error());
  if (reader_.truncated()) {
    report_.trouble("units", "the globs match more than " + std::to_string(UnitSelection::kUnitsMax) +
                                 " units; the entries of the others are not published");
  }
  int count = 0;
  while (count < kReadMax && window_.may_add() && read_entry()) ++count;
  window_.end_batch({reader_.safe_cursor(), reader_.through_cursor()});
  if (std::string notice = reader_.take_notice(); !notice.empty()) report_.trouble("notice", notice);
  if (!unread_) look_at_ = Clock::now() + pause_after(count, thread_cpu_time() - used_before);
}

// What a turn with entries costs says nothing about a quiet journal, and after it the next ones are not far. What a
// quiet turn costs is taken as an average: now and then one looks at the files as well.
std::chrono::nanoseconds FeedLoop::pause_after(int entries, std::chrono::nanoseconds used) {
  const auto now = Clock::now();
  if (entries > 0) wakeful_until_ = now + kWakefulFor;
  if (entries > 0) return std::chrono::nanoseconds(config_.poll) / kPollsWhileEntriesCome;
  quiet_turn_ += (used - quiet_turn_) / kQuietTurnsAveraged;
  if (now < wakeful_until_) return std::chrono::nanoseconds(config_.poll) / kPollsWhileWakeful;
  return std::max<std::chrono::nanoseconds>(config_.poll, kQuietShare * quiet_turn_);
}

bool FeedLoop::may_read() const {
  return pipe_.connected() && reader_.is_open() && window_.may_add() && !stop_.requested();
}

bool FeedLoop::is_polling() const {
  return config_.poll > Duration::zero() && listeners_.somebody() && !reading_failed_;
}

bool FeedLoop::is_time_to_expand() const {
  const auto due = reader_.expand_in();
  return due && due->count() == 0;
}

bool FeedLoop::is_time_to_look(Clock::time_point now) const {
  return unread_ || reading_failed_ || is_time_to_expand() || (is_polling() && now >= look_at_);
}

// Reads one entry into the window; false when there is none now. One that cannot be read is counted and passed by.
bool FeedLoop::read_entry() {
  const auto found = reader_.next();
  while (const auto gap = reader_.take_gap()) note_gap(*gap);
  if (take_sigbus()) return reopen_after_sigbus();
  if (!found) {
    journal_trouble(found.error());
    return false;
  }
  unread_ = *found;
  if (!unread_) return false;
  const auto rendered = reader_.append_entry(window_.begin_entry(reader_.cursor()));
  const bool torn = take_sigbus();
  if (rendered && *rendered && !torn) {
    window_.end_entry();
    return true;
  }
  window_.abandon_entry();
  if (rendered && !torn) {
    FeedTally::add(tally_.entries_filtered, 1);
    return true;
  }
  FeedTally::add(tally_.entries_skipped, 1);
  report_.trouble("entry", "an entry cannot be read and is left out: " +
                               (rendered ? "its file was cut short" : rendered.error().message()));
  return torn ? reopen_after_sigbus() : true;
}

// What is still mapped of a file that was cut short is not to be believed.
bool FeedLoop::reopen_after_sigbus() {
  report_.trouble("sigbus", "a journal file was cut short while it was read; going on with what is left");
  unread_ = true;
  if (auto status = reader_.open(start_); !status) journal_trouble(status.error());
  return false;
}

void FeedLoop::note_gap(const Gap& gap) {
  FeedTally::add(tally_.gaps, 1);
  FeedTally::add(tally_.entries_lost_max, gap.entries_max);
  window_.add_gap_record(gap_record(gap, config_.channel));
  report_.gap(gap);
}

void FeedLoop::journal_trouble(const Error& error) {
  reading_failed_ = true;
  read_at_ = Clock::now() + kReadPause;
  report_.trouble("journal", "reading the journal: " + error.message() + "; trying again");
}

void FeedLoop::exchange() {
  if (!pipe_.connected()) return;
  ask_for_listeners();
  const Status sent = send();
  const bool expects = !window_.empty() || listeners_.asking() || readable_;
  // Once for all of them: there is one for every entry.
  const auto now = Clock::now();
  const auto take = [this, now](const RedisPipe::Reply& reply) { return take_reply(reply, now); };
  const Status received = expects ? pipe_.receive(take) : Status();
  // What a server says before it hangs up is worth more than "Broken pipe".
  if (!received) return redis_trouble(received.error());
  if (!sent) return redis_trouble(sent.error());
  if (window_.empty() && !listeners_.asking()) return made_progress(now);
  if (now >= progress_by_) redis_trouble(Error("no answer in time"));
}

void FeedLoop::ask_for_listeners() {
  const auto now = Clock::now();
  if (config_.poll == Duration::zero() || !window_.empty() || now < listeners_.ask_at()) return;
  question_ = listeners_.question(now);
}

Status FeedLoop::send() {
  for (;;) {
    const bool asks = !question_.empty();
    const std::string_view unsent = asks ? std::string_view(question_) : window_.unsent();
    if (unsent.empty()) return {};
    const auto sent = pipe_.send(unsent);
    if (!sent) return sent.error();
    if (*sent == 0) return {};
    made_progress(Clock::now());
    if (asks) {
      question_.erase(0, *sent);
    } else {
      window_.sent(*sent);
    }
  }
}

Status FeedLoop::take_reply(const RedisPipe::Reply& reply, Clock::time_point now) {
  using Kind = RedisPipe::Reply::Kind;
  made_progress(now);
  // It is asked only while nothing else is under way, so its replies come before all others.
  if (listeners_.asking()) {
    listeners_.take(reply);
    return {};
  }
  if (reply.kind == Kind::kError) return Error(std::string(reply.text));
  if (window_.empty()) return Error("a reply that nobody has asked for");
  const bool published = window_.expected() == PublishWindow::Expected::kInteger;
  if (reply.kind != (published ? Kind::kInteger : Kind::kText)) return Error("unexpected type of reply");
  if (published) {
    listeners_.published(reply.integer, now);
    FeedTally::set(tally_.receivers, static_cast<std::uint64_t>(reply.integer));
  }
  const auto done = window_.acknowledge();
  FeedTally::add(tally_.entries_published, done.entries);
  FeedTally::add(tally_.bytes_published, done.bytes);
  FeedTally::add(tally_.batches_published, done.batches);
  redis_works();
  return {};
}

void FeedLoop::made_progress(Clock::time_point now) {
  progress_by_ = now + kProgressTimeout;
}

void FeedLoop::keep_position() {
  keeper_.store(window_.position());
  if (const auto result = keeper_.take_result()) report_.position_kept(*result);
}

std::optional<std::chrono::milliseconds> FeedLoop::time_to_wait(Clock::time_point now) const {
  if (unread_ && may_read() && !reading_failed_) return std::chrono::milliseconds(0);
  std::optional<std::chrono::milliseconds> wait;
  const auto at_most = [&wait](Clock::duration duration) {
    const auto rounded = std::max(std::chrono::ceil<std::chrono::milliseconds>(duration), std::chrono::milliseconds(0));
    wait = std::min(wait.value_or(rounded), rounded);
  };
  if (finish_by_) at_most(*finish_by_ - now);
  if (!pipe_.connected()) at_most(connect_at_ - now);
  if (!window_.empty() || listeners_.asking()) at_most(progress_by_ - now);
  if (!reader_.is_open()) {
    at_most(open_at_ - now);
    return wait;
  }
  if (const auto due = reader_.timeout()) at_most(*due);
  if (const auto due = reader_.look_again_in()) at_most(*due);
  // What follows is done only while Redis answers, so it is no reason to wake up before.
  if (!may_read()) return wait;
  if (reading_failed_) {
    at_most(read_at_ - now);
  } else if (const auto due = reader_.expand_in()) {
    at_most(*due);
  }
  if (is_polling()) at_most(look_at_ - now);
  if (config_.poll > Duration::zero() && window_.empty() && !listeners_.asking() &&
      listeners_.ask_at() != Clock::time_point::max()) {
    at_most(listeners_.ask_at() - now);
  }
  return wait;
}

Status FeedLoop::wait() {
  const auto timeout = time_to_wait(Clock::now());
  const bool has_unsent = !question_.empty() || !window_.unsent().empty();
  std::array<pollfd, 3> fds = {{{stop_.fd(), static_cast<short>(finish_by_ ? 0 : POLLIN), 0},
                                {pipe_.fd(), static_cast<short>(has_unsent ? POLLIN | POLLOUT : POLLIN), 0},
                                {reader_.fd(), 0, 0}}};
  // poll passes by descriptors of -1. A journal that fails to process() stays readable: it waits for its pause.
  if (reader_.fd() != -1 && !reading_failed_) fds[2].events = reader_.events();
  const int ready = poll(fds.data(), fds.size(), timeout ? static_cast<int>(timeout->count()) : -1);
  if (ready == -1 && errno != EINTR) return system_error("poll", errno);
  readable_ = ready > 0 && fds[1].revents != 0;
  if (!reader_.is_open()) return {};
  const bool changed = fds[2].revents != 0 || reader_.fd() == -1;
  const auto due = reader_.timeout();
  if (!changed && !(due && due->count() == 0)) return {};
  // It takes away what poll would report, also in a turn that cannot read: the news is kept here.
  unread_ = true;
  if (auto status = reader_.process(); !status) journal_trouble(status.error());
  return {};
}

}  // namespace stargazer
