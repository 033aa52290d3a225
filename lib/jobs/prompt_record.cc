#include "jobs/prompt_record.h"

#include <algorithm>

#include "jobs/moment.h"

namespace stargazer::jobs {

std::optional<PromptRecord> record_of_json(std::string_view text) {
  const auto json = parse_json(text);
  if (!json || !json->is_object()) return std::nullopt;
  PromptRecord record;
  for (const auto& item : json->items()) {
    if (item.value().is_string()) record[item.key()] = item.value().get<std::string>();
    if (item.value().is_number()) record[item.key()] = dump_json(item.value());
  }
  return record;
}

std::optional<PromptRecord> record_of_hash(const std::vector<std::string>& fields, const RedisValue& reply) {
  if (reply.kind != RedisValue::Kind::kArray || reply.elements.size() != fields.size()) return std::nullopt;
  PromptRecord record;
  for (std::size_t place = 0; place < fields.size(); ++place) {
    const RedisValue& value = reply.elements[place];
    if (value.kind == RedisValue::Kind::kString) record[fields[place]] = value.text;
  }
  return record;
}

RecordAge age_of(const PromptRecord& record, const CleanupSettings& settings, double now) {
  const auto status = record.find(settings.status_field);
  const std::vector<std::string>& over = settings.statuses;
  if (status == record.end() || std::find(over.begin(), over.end(), status->second) == over.end()) {
    return RecordAge::kInUse;
  }
  std::optional<double> latest;
  for (const std::string& field : settings.time_fields) {
    const auto found = record.find(field);
    if (found == record.end() || found->second.empty()) continue;
    const auto moment = parse_moment(found->second);
    if (!moment) return RecordAge::kNoTime;  // it says something that we do not understand
    latest = std::max(latest.value_or(0), *moment);
  }
  if (!latest) return RecordAge::kNoTime;
  return now - *latest > to_seconds(settings.keep) ? RecordAge::kOld : RecordAge::kYoung;
}

}  // namespace stargazer::jobs
