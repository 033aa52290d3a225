// The one duration type, the one clock, and how both are written in a configuration file.
//
// Every deadline of the core is an Instant: a moment on the host's CLOCK_BOOTTIME, which never goes back, is not
// stepped by NTP or an operator, and goes on during suspend. WallTime exists only to stamp things for people and to
// remember a moment across a reboot. Nothing here reads a clock; `now` is always an argument.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace stargazer {

using Duration = std::chrono::nanoseconds;

// Names the time line of Instant. It has no now(): only the Clock seam (core/seams.h) reads the time.
struct BootClock {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;  // NOLINT(readability-identifier-naming): the standard's name
};

using Instant = BootClock::time_point;

// UTC, to the microsecond. May step either way.
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;

// "No deadline": later than every Instant that can be computed from a configuration.
inline constexpr Instant kNever = Instant::max();

// The longest duration that a configuration may hold: ten years of 365 days. Keeps every sum of an Instant and a few
// durations far from overflow.
inline constexpr Duration kDurationMax = std::chrono::hours(24 * 365 * 10);

// Reads "90s", "15m", "2h 30m", "1.5h", "250ms", "7d" or a bare number of seconds such as "90" or "0.5".
//
//   duration = part { [ space ] part } | number
//   part     = number unit             each unit at most once, the larger before the smaller
//   number   = digit { digit } [ "." digit { digit } ]
//   unit     = "d" | "h" | "m" | "s" | "ms"
//
// Fails on anything else, on a sign, and above kDurationMax; the message names the text and what is allowed.
Result<Duration> parse_duration(std::string_view text);

// The same for a number of seconds. Fails when negative, not finite, or above kDurationMax.
Result<Duration> duration_from_seconds(double seconds);

// The shortest exact form that parse_duration reads back, to the millisecond: "0s", "250ms", "1m 30s", "2h 30m", "7d".
std::string format_duration(Duration duration);

// For a log line: three significant places and one unit, "12.3 ms", "4.21 s", "3.5 min", "2.1 h".
std::string approximate_duration(Duration duration);

double to_seconds(Duration duration);

// "2026-11-23T05:46:00.123456Z".
std::string format_wall_time(WallTime time);

}  // namespace stargazer
