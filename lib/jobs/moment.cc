#include "jobs/moment.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

namespace stargazer::jobs {
namespace {

constexpr double kSecondsMax = 253'402'300'800.0;  // the year 10000

// Reads from the front of a text; after a failure it only fails.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  // Exactly `digits` digits.
  int number(std::size_t digits) {
    int value = 0;
    for (std::size_t place = 0; place < digits; ++place) {
      if (rest_.empty() || rest_[0] < '0' || rest_[0] > '9') return fail();
      value = value * 10 + (rest_[0] - '0');
      rest_.remove_prefix(1);
    }
    return value;
  }
  bool take(char character) {
    if (rest_.empty() || rest_[0] != character) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void need(char character) {
    if (!take(character)) fail();
  }
  // ".25", if it is there.
  double fraction() {
    double value = 0;
    if (!take('.')) return value;
    double part = 0.1;
    for (; !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9'; part /= 10) {
      value += (rest_[0] - '0') * part;
      rest_.remove_prefix(1);
    }
    return value;
  }
  // "Z", "+01:00", "-0130", "+01", or nothing: seconds east of Greenwich.
  int zone() {
    if (rest_.empty() || take('Z') || take('z')) return 0;
    const int sign = take('-') ? -1 : 1;
    if (sign == 1) need('+');
    const int hours = number(2);
    const bool colon = take(':');
    const int minutes = colon || !rest_.empty() ? number(2) : 0;
    if (hours > 23 || minutes > 59) return fail();
    return sign * (hours * 60 + minutes) * 60;
  }
  bool done() const { return !failed_ && rest_.empty(); }
  bool empty() const { return rest_.empty(); }

 private:
  int fail() {
    failed_ = true;
    return 0;
  }

  std::string_view rest_;
  bool failed_ = false;
};

std::optional<double> in_bounds(double seconds) {
  if (seconds >= 0 && seconds < kSecondsMax) return seconds;
  return std::nullopt;
}

std::optional<double> parse_iso(std::string_view text) {
  Scanner scan(text);
  const int year = scan.number(4);
  scan.need('-');
  const int month = scan.number(2);
  scan.need('-');
  const int day = scan.number(2);
  double seconds = 0;
  if (!scan.empty()) {
    if (!scan.take('T') && !scan.take('t')) scan.need(' ');
    const int hour = scan.number(2);
    scan.need(':');
    const int minute = scan.number(2);
    const int second = scan.take(':') ? scan.number(2) : 0;
    if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
    seconds = (hour * 60 + minute) * 60 + second + scan.fraction();
    seconds -= scan.zone();
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!scan.done() || !date.ok()) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch();
  return in_bounds(seconds + static_cast<double>(std::chrono::duration_cast<std::chrono::seconds>(days).count()));
}

}  // namespace

std::optional<double> parse_moment(std::string_view text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (read.ec == std::errc() && read.ptr == end) return in_bounds(number);
  return parse_iso(text);
}

std::string format_moment(double seconds_since_1970) {
  if (!in_bounds(seconds_since_1970)) return "";
  const std::chrono::sys_seconds moment{std::chrono::seconds(static_cast<std::int64_t>(seconds_since_1970))};
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(moment - day);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()));
  return text.data();
}

}  // namespace stargazer::jobs
