#include "feed/lag_watch.h"

#include "feed/cursor.h"
#include "unit/catch.h"

using namespace stargazer;

namespace {

std::string cursor_of(std::chrono::seconds age) {
  const auto at = std::chrono::system_clock::now().time_since_epoch() - age;
  Cursor cursor;
  cursor.realtime_usec = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(at).count());
  return cursor.text();
}

}  // namespace

TEST_CASE("the lag is the age of what is being read, and gone when all is read", "[lag_watch]") {
  FeedTally tally;
  int told = 0;
  LagWatch lag([&told] { ++told; }, [] { return std::uint64_t{12}; }, tally);
  lag.turn(false, true, cursor_of(std::chrono::hours(1)));
  CHECK(tally.lag_s == 0);
  CHECK(told == 0);

  lag.turn(true, true, cursor_of(std::chrono::hours(1)));
  CHECK(tally.lag_s >= 3600);
  CHECK(tally.lag_entries_max == 12);
  CHECK(told == 1);
  // Another number within the second is not worth being told.
  lag.turn(true, true, cursor_of(std::chrono::minutes(30)));
  CHECK(tally.lag_s >= 1800);
  CHECK(tally.lag_s < 3600);

  lag.turn(false, true, cursor_of(std::chrono::minutes(30)));
  CHECK(tally.lag_s == 0);
  CHECK(tally.lag_entries_max == 0);
  CHECK(told >= 2);
}

TEST_CASE("while Redis is away the lag is not the age of an entry of long ago", "[lag_watch]") {
  FeedTally tally;
  LagWatch lag([] {}, [] { return std::uint64_t{0}; }, tally);
  lag.turn(false, true, cursor_of(std::chrono::hours(1)));
  lag.turn(true, false, cursor_of(std::chrono::hours(1)));
  CHECK(tally.lag_s < 3600);
}

TEST_CASE("no cursor, and an entry of the future, are no lag", "[lag_watch]") {
  FeedTally tally;
  LagWatch lag([] {}, [] { return std::uint64_t{0}; }, tally);
  lag.turn(true, true, "");
  CHECK(tally.lag_s == 0);
  lag.turn(true, true, cursor_of(-std::chrono::hours(1)));
  CHECK(tally.lag_s == 0);
}
