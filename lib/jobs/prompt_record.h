// A record of a scheduled prompt as it lies in Redis, and whether it may go.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "io/redis.h"
#include "jobs/scheduled_prompt_cleanup.h"

namespace stargazer::jobs {

// The fields of a record that hold a text or a number, as texts.
using PromptRecord = std::map<std::string, std::string>;

// From the text of a JSON object. None when it is no object.
std::optional<PromptRecord> record_of_json(std::string_view text);
// From the answer to HMGET for `fields`. None when it is none.
std::optional<PromptRecord> record_of_hash(const std::vector<std::string>& fields, const RedisValue& reply);

enum class RecordAge : std::uint8_t { kInUse, kNoTime, kYoung, kOld };

// `now` in seconds since 1970.
RecordAge age_of(const PromptRecord& record, const CleanupSettings& settings, double now);

}  // namespace stargazer::jobs
