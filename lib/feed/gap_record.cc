#include "feed/gap_record.h"

#include <chrono>

#include <nlohmann/json.hpp>

namespace stargazer {

std::string gap_record(const Gap& gap, const std::string& channel) {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  const nlohmann::json record = {
      {"channel", channel},
      {"time_usec", std::chrono::duration_cast<std::chrono::microseconds>(since_1970).count()},
      {"after", gap.after_cursor},
      {"next", gap.next_cursor},
      {"entries_max", gap.entries_max},
      {"reason", gap.reason},
  };
  // A channel may hold bytes that are not UTF-8.
  return record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace stargazer
