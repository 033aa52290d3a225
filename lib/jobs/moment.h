// A moment as somebody has written it into Redis.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace stargazer::jobs {

// Seconds since 1970 from a number of them ("1795430601", "1795430601.25") or an ISO 8601 date and time
// ("2026-11-25T22:10:00+01:00", "2026-11-25 22:10:00.5", "2026-11-25"); without a zone it is UTC. None for all else,
// and outside the years 1970 to 9999.
std::optional<double> parse_moment(std::string_view text);

// "2026-11-25T22:10:00Z"; "" outside the years 1970 to 9999.
std::string format_moment(double seconds_since_1970);

}  // namespace stargazer::jobs
