#include "feed/lag_watch.h"

#include <algorithm>

#include "feed/cursor.h"

namespace stargazer {
namespace {

std::chrono::microseconds age_of(const std::string& cursor) {
  const auto parsed = Cursor::parse(cursor);
  if (!parsed) return {};
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(since_1970) -
         std::chrono::microseconds(static_cast<std::int64_t>(parsed->realtime_usec));
}

}  // namespace

void LagWatch::turn(bool behind, bool reading, const std::string& cursor) {
  const auto now = Clock::now();
  std::chrono::microseconds lag{};
  if (!behind) caught_up_at_ = now;
  if (behind)
    lag = reading ? age_of(cursor) : std::chrono::duration_cast<std::chrono::microseconds>(now - caught_up_at_);
  // A clock that was set back makes entries of the future.
  const auto lag_s = std::max<std::int64_t>(std::chrono::floor<std::chrono::seconds>(lag).count(), 0);
  FeedTally::set(tally_.lag_s, static_cast<std::uint64_t>(lag_s));
  if (static_cast<std::uint64_t>(lag_s) == told_s_ || (lag_s > 0 && now < tell_at_)) return;
  told_s_ = static_cast<std::uint64_t>(lag_s);
  tell_at_ = now + kTellEvery;
  FeedTally::set(tally_.lag_entries_max, lag_s > 0 ? entries_behind_max_() : 0);
  changed_();
}

}  // namespace stargazer
