#include "core/time.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace stargazer {
namespace {

struct Unit {
  std::string_view name;
  Duration length;
};

// Largest first: the order in which the parts of a duration must stand.
constexpr std::array<Unit, 5> kUnits{{
    {"d", std::chrono::hours(24)},
    {"h", std::chrono::hours(1)},
    {"m", std::chrono::minutes(1)},
    {"s", std::chrono::seconds(1)},
    {"ms", std::chrono::milliseconds(1)},
}};

constexpr std::size_t kTextMax = 64;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

Error bad_duration(std::string_view text, std::string_view problem) {
  const std::string shown = text.size() <= kTextMax ? std::string(text) : std::string(text.substr(0, kTextMax)) + "…";
  return Error("\"" + shown + "\" " + std::string(problem) +
               "; allowed are durations such as \"90s\", \"15m\", \"2h 30m\", \"250ms\", \"7d\", or a number of "
               "seconds, from 0 to 3650d");
}

// Takes `digits [ "." digits ]` off the front of `rest`; false when there is none.
bool take_number(std::string_view& rest, double& number) {
  std::size_t length = 0;
  while (length < rest.size() && is_digit(rest[length])) ++length;
  if (length == 0) return false;
  if (length + 1 < rest.size() && rest[length] == '.' && is_digit(rest[length + 1])) {
    ++length;
    while (length < rest.size() && is_digit(rest[length])) ++length;
  }
  const char* end = rest.data() + length;
  if (std::from_chars(rest.data(), end, number).ptr != end) return false;
  rest.remove_prefix(length);
  return true;
}

// Takes a unit off the front of `rest`; answers its place in kUnits, or kUnits.size() when there is none.
std::size_t take_unit(std::string_view& rest) {
  std::size_t length = 0;
  while (length < rest.size() && rest[length] != ' ' && !is_digit(rest[length])) ++length;
  const std::string_view name = rest.substr(0, length);
  for (std::size_t place = 0; place < kUnits.size(); ++place) {
    if (kUnits[place].name != name) continue;
    rest.remove_prefix(length);
    return place;
  }
  return kUnits.size();
}

void skip_spaces(std::string_view& rest) {
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
}

}  // namespace

Result<Duration> duration_from_seconds(double seconds) {
  const double limit = to_seconds(kDurationMax);
  if (!(seconds >= 0.0 && seconds <= limit)) {
    std::array<char, 40> shown{};
    std::snprintf(shown.data(), shown.size(), "%g", seconds);
    return bad_duration(shown.data(), seconds < 0 ? "is negative" : "is out of range");
  }
  return Duration(static_cast<Duration::rep>(std::llround(seconds * 1e9)));
}

Result<Duration> parse_duration(std::string_view text) {
  std::string_view rest = text;
  skip_spaces(rest);
  if (!rest.empty() && rest.front() == '-') return bad_duration(text, "is negative");
  double seconds = 0;
  std::size_t first_allowed = 0;
  bool any = false;
  while (!rest.empty()) {
    double number = 0;
    if (!take_number(rest, number)) return bad_duration(text, "is not a duration");
    skip_spaces(rest);
    if (rest.empty() && !any) return duration_from_seconds(number);
    const std::size_t place = take_unit(rest);
    if (place == kUnits.size()) return bad_duration(text, "is not a duration");
    if (place < first_allowed) return bad_duration(text, "has a unit twice or a larger one after a smaller");
    first_allowed = place + 1;
    seconds += number * to_seconds(kUnits[place].length);
    any = true;
    skip_spaces(rest);
  }
  if (!any) return bad_duration(text, "is not a duration");
  return duration_from_seconds(seconds);
}

std::string format_duration(Duration duration) {
  Duration rest = std::chrono::duration_cast<std::chrono::milliseconds>(duration);
  std::string text;
  for (const Unit& unit : kUnits) {
    const auto count = rest / unit.length;
    if (count == 0) continue;
    rest -= count * unit.length;
    if (!text.empty()) text += ' ';
    text += std::to_string(count) + std::string(unit.name);
  }
  return text.empty() ? "0s" : text;
}

std::string approximate_duration(Duration duration) {
  const double seconds = to_seconds(duration);
  double number = seconds / 3600;
  const char* unit = "h";
  if (seconds < 1.0) {
    number = seconds * 1e3;
    unit = "ms";
  } else if (seconds < 120.0) {
    number = seconds;
    unit = "s";
  } else if (seconds < 7200.0) {
    number = seconds / 60;
    unit = "min";
  }
  // Three places, but never "1e+03".
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), number < 99.95 ? "%.3g %s" : "%.0f %s", number, unit);
  return text.data();
}

double to_seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string format_wall_time(WallTime time) {
  const auto since_epoch = time.time_since_epoch();
  const auto whole = std::chrono::floor<std::chrono::seconds>(since_epoch);
  const std::time_t seconds = whole.count();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text.data() + length, text.size() - length, ".%06dZ", static_cast<int>((since_epoch - whole).count()));
  return text.data();
}

}  // namespace stargazer
