// A record of a scheduled prompt as it lies in Redis, whatever it is: only one with a status and a time that are known
// may be deleted.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "jobs/moment.h"
#include "jobs/prompt_record.h"

namespace {

using namespace stargazer::jobs;

void must(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto moment = parse_moment(text)) {
    must(*moment >= 0);
    must(parse_moment(format_moment(*moment)).has_value());
  }
  const auto record = record_of_json(text);
  if (!record) return 0;
  CleanupSettings settings;
  settings.keep = std::chrono::hours(24);
  if (age_of(*record, settings, 1e9) != RecordAge::kOld) return 0;
  const std::string& status = record->at("status");
  must(status == "executed" || status == "cancelled");
  must(record->count("created_at") + record->count("schedule_time") + record->count("last_execution") > 0);
  return 0;
}
