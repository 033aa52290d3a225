// What the feed says in the log. It may be reading the log that it writes to, so the number of its lines never depends
// on the number of entries: one when a trouble begins, one when it ends, and for what can recur at most one a minute.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "core/config.h"
#include "core/result.h"
#include "feed/feed.h"
#include "feed/journal_reader.h"
#include "io/log.h"

namespace stargazer {

class FeedReport {
 public:
  using Clock = std::chrono::steady_clock;
  using Sink = std::function<void(LogRecord)>;

  static constexpr std::chrono::seconds kRepeatAfter{60};

  // `redis`: how the Redis is shown, without credentials.
  FeedReport(Sink sink, std::string redis);

  void started(const FeedConfig& config);
  // One line of what it has done, after a stop that was asked for.
  void stopped(const FeedCounters& counters);

  // An outage begins, goes on (said again only with another cause and after kRepeatAfter), ends.
  void redis_failed(const Error& error);
  void redis_works();
  void journal_failed(const Error& error);
  void journal_works();

  // How a write of the position went: said when it begins to fail, or fails for another cause, and when it works again.
  void position_kept(const Status& status);

  // An event for the journal: STARGAZER_EVENT=feed_gap. At most once in kRepeatAfter, with the number of those that
  // were not said; the records in Redis are complete.
  void gap(const Gap& gap);

  // Something that can recur and does not stop the feed; at most once in kRepeatAfter for each kind.
  void trouble(const char* kind, const std::string& text);

 private:
  struct Outage {
    Clock::time_point since;
    Clock::time_point said;
    std::string cause;
  };

  // True when this failure is to be said.
  static bool note_failure(std::optional<Outage>& outage, const Error& error);
  void say(Priority priority, const std::string& text);

  const Sink sink_;
  const std::string redis_;
  std::optional<Outage> redis_outage_;
  std::optional<Outage> journal_outage_;
  std::optional<Outage> position_outage_;
  std::optional<Clock::time_point> gap_said_;
  std::uint64_t gaps_unsaid_ = 0;
  std::map<std::string, Clock::time_point> said_;
};

}  // namespace stargazer
