#include "core/time.h"

#include "unit/catch.h"

using namespace std::chrono_literals;
using namespace stargazer;

TEST_CASE("durations are read in every form that the grammar allows", "[time]") {
  const auto [text, expected] = GENERATE(table<const char*, Duration>({
      {"0", 0s},
      {"90", 90s},
      {"0.5", 500ms},
      {"90s", 90s},
      {"15m", 15min},
      {"2h 30m", 150min},
      {"2h30m", 150min},
      {"1.5h", 90min},
      {"250ms", 250ms},
      {"7d", 168h},
      {"1d 2h 3m 4s 5ms", 26h + 3min + 4s + 5ms},
      {" 5 s ", 5s},
      {"3650d", kDurationMax},
  }));
  INFO(text);
  const auto duration = parse_duration(text);
  REQUIRE(duration.ok());
  CHECK(*duration == expected);
}

TEST_CASE("what is no duration is refused with the text and what is allowed", "[time]") {
  const auto [text, problem] = GENERATE(table<const char*, const char*>({
      {"", "is not a duration"},
      {" ", "is not a duration"},
      {"5 parsecs", "is not a duration"},
      {"s", "is not a duration"},
      {"5s!", "is not a duration"},
      {"5.s", "is not a duration"},
      {"1e3", "is not a duration"},
      {"-5s", "is negative"},
      {"-5", "is negative"},
      {"5s 3m", "a larger one after a smaller"},
      {"5s 5s", "has a unit twice"},
      {"3651d", "is out of range"},
      {"99999999999999999999999999999999d", "is out of range"},
  }));
  INFO(text);
  const auto duration = parse_duration(text);
  REQUIRE_FALSE(duration.ok());
  CHECK(duration.error().message().find(problem) != std::string::npos);
  CHECK(duration.error().message().find("\"2h 30m\"") != std::string::npos);
}

TEST_CASE("a duration is written so that it reads back", "[time]") {
  for (const Duration duration : {Duration(0s), Duration(250ms), Duration(90s), Duration(150min), Duration(168h)}) {
    CHECK(*parse_duration(format_duration(duration)) == duration);
  }
  CHECK(format_duration(150min) == "2h 30m");
  CHECK(approximate_duration(3200ms) == "3.2 s");
}

TEST_CASE("a duration for a log line has three places and one unit", "[time]") {
  const auto [duration, text] = GENERATE(table<Duration, std::string>({
      {0s, "0 ms"},
      {12340us, "12.3 ms"},
      {999'900us, "1000 ms"},
      {4210ms, "4.21 s"},
      {119'900ms, "120 s"},
      {210s, "3.5 min"},
      {2h, "2 h"},
      {kDurationMax, "87600 h"},
  }));
  CHECK(approximate_duration(duration) == text);
}

TEST_CASE("a long bad text is cut in the message", "[time]") {
  CHECK(parse_duration(std::string(100000, 'x')).error().message().size() < 400);
}

TEST_CASE("wall time is written in UTC to the microsecond", "[time]") {
  CHECK(format_wall_time(WallTime(std::chrono::microseconds(1'700'000'000'000'123))) == "2023-11-14T22:13:20.000123Z");
}
