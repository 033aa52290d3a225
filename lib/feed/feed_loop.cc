#include "feed/feed_loop.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>
#include <system_error>

namespace stargazer {
namespace {

// A different sequence in every process and at every start, so that nodes do not return to a Redis all at once.
std::uint64_t jitter_seed() {
  return static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
}

}  // namespace

FeedLoop::FeedLoop(const FeedConfig& config, const RedisTarget& redis, FeedReport::Sink log, const StopEvent& stop,
                   FeedTally& tally)
    : config_(config),
      stop_(stop),
      tally_(tally),
      report_(std::move(log), redis.shown()),
      reader_(config.units, config.directory),
      pipe_(redis, stop),
      batch_(config.channel),
      random_(jitter_seed()),
      started_(std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now())) {}

Status FeedLoop::run() {
  report_.started(config_);
  while (!stop_.requested()) {
    open_journal();
    connect();
    read_batch();
    publish();
    if (auto status = wait(); !status) return status;
  }
  return {};
}

void FeedLoop::open_journal() {
  const auto now = Clock::now();
  const bool needed = !reader_.is_open() || reader_.is_outdated();
  if (!needed || now < open_at_) return;
  open_at_ = now + kOpenEvery;
  const auto since = journal_was_late_ ? std::optional(started_) : std::nullopt;
  if (auto status = reader_.open({"", config_.backlog, since}); !status) {
    journal_was_late_ = true;
    return report_.journal_failed(status.error());
  }
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
  if (pipe_.connected() || now < connect_at_) return;
  if (auto status = pipe_.connect(); !status) return redis_trouble(status.error());
  // With entries in flight only their replies show that it works.
  if (!batch_.empty()) return;
  backoff_ = kBackoffMin;
  report_.redis_works();
}

void FeedLoop::redis_trouble(const Error& error) {
  pipe_.close();
  if (stop_.requested()) return;
  tally_.redis_failures.fetch_add(1, std::memory_order_relaxed);
  report_.redis_failed(error);
  connect_at_ = Clock::now() + backoff_ - random_.up_to(backoff_ / 2);
  backoff_ = std::min(backoff_ * 2, kBackoffMax);
}

void FeedLoop::read_batch() {
  if (!may_read() || Clock::now() < read_at_) return;
  if (reading_failed_) {
    if (auto status = reader_.recover(); !status) return journal_trouble(status.error());
    reading_failed_ = false;
  }
  if (auto status = reader_.expand_units(); !status) return journal_trouble(status.error());
  if (reader_.truncated()) {
    report_.trouble("units", "the globs match more than " + std::to_string(UnitSelection::kUnitsMax) +
                                 " units; the entries of the others are not published");
  }
  while (!batch_.full() && read_entry()) {
  }
}

bool FeedLoop::may_read() const {
  return batch_.empty() && pipe_.connected() && reader_.is_open();
}

// Reads one entry into the batch; false when there is none now. One that cannot be read is counted and passed by.
bool FeedLoop::read_entry() {
  const auto found = reader_.next();
  if (!found) {
    journal_trouble(found.error());
    return false;
  }
  unread_ = *found;
  if (!unread_) return false;
  entry_.clear();
  if (auto status = reader_.append_entry(entry_); !status) {
    tally_.entries_skipped.fetch_add(1, std::memory_order_relaxed);
    report_.trouble("entry", "an entry cannot be read and is left out: " + status.error().message());
    return true;
  }
  batch_.add(entry_);
  return true;
}

void FeedLoop::journal_trouble(const Error& error) {
  reading_failed_ = true;
  read_at_ = Clock::now() + kReadPause;
  report_.trouble("journal", "reading the journal: " + error.message() + "; trying again");
}

void FeedLoop::publish() {
  if (batch_.empty() || !pipe_.connected()) return;
  const auto outcome = pipe_.exchange(batch_.unacknowledged(), batch_.count(), RedisPipe::Reply::kInteger);
  tally_.entries_published.fetch_add(outcome.acknowledged, std::memory_order_relaxed);
  tally_.bytes_published.fetch_add(batch_.acknowledge(outcome.acknowledged), std::memory_order_relaxed);
  if (!outcome.status) return redis_trouble(outcome.status.error());
  backoff_ = kBackoffMin;
  report_.redis_works();
}

std::optional<std::chrono::milliseconds> FeedLoop::time_to_wait(Clock::time_point now) const {
  if (unread_ && may_read() && !reading_failed_) return std::chrono::milliseconds(0);
  std::optional<std::chrono::milliseconds> wait;
  const auto at_most = [&wait](Clock::duration duration) {
    const auto rounded = std::max(std::chrono::ceil<std::chrono::milliseconds>(duration), std::chrono::milliseconds(0));
    wait = std::min(wait.value_or(rounded), rounded);
  };
  if (!pipe_.connected()) at_most(connect_at_ - now);
  if (!reader_.is_open()) {
    at_most(open_at_ - now);
    return wait;
  }
  if (const auto due = reader_.timeout()) at_most(*due);
  if (const auto due = reader_.look_again_in()) at_most(*due);
  // What follows is done only while Redis answers, so it is no reason to wake up before.
  if (!pipe_.connected()) return wait;
  if (reading_failed_) {
    at_most(read_at_ - now);
  } else if (const auto due = reader_.expand_in()) {
    at_most(*due);
  }
  return wait;
}

Status FeedLoop::wait() {
  const auto timeout = time_to_wait(Clock::now());
  std::array<pollfd, 3> fds = {{{stop_.fd(), POLLIN, 0}, {pipe_.fd(), POLLIN, 0}, {reader_.fd(), 0, 0}}};
  // poll passes by descriptors of -1. A journal that fails to process() stays readable: it waits for its pause.
  if (reader_.fd() != -1 && !reading_failed_) fds[2].events = reader_.events();
  const int ready = poll(fds.data(), fds.size(), timeout ? static_cast<int>(timeout->count()) : -1);
  if (ready == -1 && errno != EINTR) return Error("poll: " + std::generic_category().message(errno));
  if (ready > 0 && fds[1].revents != 0) redis_trouble(Error("connection closed by the server"));
  if (!reader_.is_open()) return {};
  // It takes away what poll would report, also in a turn that cannot read: the news is kept here.
  unread_ = true;
  if (auto status = reader_.process(); !status) journal_trouble(status.error());
  return {};
}

}  // namespace stargazer
