// What the feed's thread does, turn after turn: open what is not open, read a batch, send it, see the replies that have
// come, wait for what may come next.
//
// Reading, sending and acknowledging overlap within a bounded window (publish_window.h). A batch is sent as soon as the
// journal has no more or it is full. Nothing is read while Redis is away: the journal is the queue, and the window is
// all that is in memory. After a failure everything from the first entry without an acknowledgement is sent again, so
// those in flight may be published twice and none is left out.
//
// An error reply is trouble with the server, whatever it says: nothing is passed by, the feed tries again. The one
// exception is an entry that is longer than the server takes; it is left out, and a gap record says so.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/config.h"
#include "core/random.h"
#include "core/time.h"
#include "feed/feed_report.h"
#include "feed/feed_tally.h"
#include "feed/journal_reader.h"
#include "feed/lag_watch.h"
#include "feed/listener_watch.h"
#include "feed/position_keeper.h"
#include "feed/publish_window.h"
#include "feed/redis_pipe.h"
#include "feed/stop_event.h"
#include "io/redis_target.h"

namespace stargazer {

class FeedLoop {
 public:
  using Clock = std::chrono::steady_clock;

  // Between attempts to reach Redis: doubled each time between these, and each shortened by up to a half at random.
  static constexpr std::chrono::milliseconds kBackoffMin{100};
  static constexpr std::chrono::milliseconds kBackoffMax{5000};
  // A server that neither takes bytes nor answers is given up after this time.
  static constexpr std::chrono::milliseconds kProgressTimeout{2000};
  // After a stop request the entries in flight have this long to be acknowledged.
  static constexpr std::chrono::milliseconds kStopGrace{500};
  // Between attempts to open the journal.
  static constexpr std::chrono::milliseconds kOpenEvery{2000};
  // After an error while reading.
  static constexpr std::chrono::milliseconds kReadPause{100};
  // Entries that a turn reads at most, also those that are not published.
  static constexpr int kReadMax = 1024;
  // Looking at a quiet journal takes at most this part of a processor, however many files it has.
  static constexpr int kQuietShare = 120;
  static constexpr int kQuietTurnsAveraged = 16;
  // After a turn that found entries the next look comes after this part of feed.poll.
  static constexpr int kPollsWhileEntriesCome = 10;
  // Where one entry was, the next is not far: for this time the looks come after that part of feed.poll.
  static constexpr std::chrono::milliseconds kWakefulFor{1000};
  static constexpr int kPollsWhileWakeful = 2;

  // `position_file`: "" = the position is not kept. `lag`: called when the lag in seconds has changed. `stop` and
  // `tally` must outlive it. REQUIRES: config.units is not empty. May throw std::system_error.
  FeedLoop(const FeedConfig& config, const RedisTarget& redis, const std::string& position_file, FeedReport::Sink log,
           std::function<void()> lag, const StopEvent& stop, FeedTally& tally);

  // Returns once a stop is requested, or when the kernel refuses to let it wait.
  Status run();

 private:
  bool is_finished();
  void load_position();
  void open_journal();
  void connect();
  void read();
  bool read_entry();
  std::chrono::nanoseconds pause_after(int entries, std::chrono::nanoseconds used);
  bool may_read() const;
  bool is_time_to_expand() const;
  bool is_time_to_look(Clock::time_point now) const;
  bool is_polling() const;
  bool reopen_after_sigbus();
  void note_gap(const Gap& gap);
  void exchange();
  void ask_for_listeners();
  Status send();
  Status take_reply(const RedisPipe::Reply& reply, Clock::time_point now);
  void made_progress(Clock::time_point now);
  void keep_position();
  Status wait();
  std::optional<std::chrono::milliseconds> time_to_wait(Clock::time_point now) const;
  void journal_trouble(const Error& error);
  void redis_works();
  void redis_trouble(const Error& error);
  void leave_out_refused(const Error& error);

  const FeedConfig config_;
  const StopEvent& stop_;
  FeedTally& tally_;
  LagWatch lag_;
  FeedReport report_;
  StartAt start_;
  JournalReader reader_;
  RedisPipe pipe_;
  PublishWindow window_;
  ListenerWatch listeners_;
  PositionKeeper keeper_;
  Random random_;

  bool unread_ = true;             // the journal may hold entries beyond those that were read
  bool readable_ = false;          // the connection has something to say that was not waited for
  bool reading_failed_ = false;    // reader_.recover() comes first
  bool journal_was_late_ = false;  // there was none when the feed started
  WallTime started_;
  Clock::time_point open_at_{};
  Clock::time_point read_at_{};
  std::chrono::nanoseconds quiet_turn_{};  // what looking costs when there is nothing
  Clock::time_point wakeful_until_{};
  Clock::time_point look_at_ = Clock::time_point::max();  // of a quiet journal
  Clock::time_point connect_at_{};
  Clock::time_point progress_by_{};
  std::optional<Clock::time_point> finish_by_;
  std::string question_;  // what is unsent of it
  std::chrono::milliseconds backoff_ = kBackoffMin;
};

}  // namespace stargazer
