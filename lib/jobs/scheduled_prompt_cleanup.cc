#include "jobs/scheduled_prompt_cleanup.h"

#include <algorithm>

#include "io/printable.h"
#include "jobs/moment.h"
#include "jobs/prompt_record.h"
#include "jobs/redis_link.h"
#include "jobs/settings.h"
#include "jobs/setup.h"

namespace stargazer::jobs {
namespace {

using Keys = std::vector<std::string>;

// A longer text is no record of a prompt; what is cut is no JSON and is left.
constexpr std::size_t kRecordBytesMax = 65536;
constexpr std::size_t kShownBytesMax = 300;  // of an error reply

JobOutcome redis_failure(const Error& error) {
  return JobOutcome::failed(kRedisError, error.message());
}

class Cleanup {
 public:
  Cleanup(const CleanupSettings& settings, RedisLink& redis, JobHost& host)
      : settings_(settings), redis_(redis), host_(host), fields_(settings.time_fields) {
    fields_.push_back(settings.status_field);
  }

  JobOutcome run();

 private:
  enum class Looking : bool { kFirst, kAgain };

  Status read_time();
  EarlyEnd over_keys(const Keys& keys);
  Result<Keys> old_ones(const Keys& keys, Looking looking);
  RedisCommand hash_question(const std::string& key) const;
  void judge(const RedisValue& reply, const std::string& key, Looking looking, Keys* old);
  EarlyEnd remove(const Keys& keys);
  std::vector<RedisCommand> deletion(const Keys& keys);
  Status read_index_types();
  void report() const;

  const CleanupSettings& settings_;
  RedisLink& redis_;
  JobHost& host_;
  std::vector<std::string> fields_;  // those of a hash that decide
  double now_ = 0;
  std::vector<std::pair<std::string, std::string>> removals_;  // of each index: its command and key

  std::int64_t seen_ = 0;
  std::int64_t unreadable_ = 0;
  std::int64_t without_time_ = 0;
  std::int64_t changed_ = 0;
  std::int64_t due_ = 0;
  std::int64_t removed_ = 0;
};

Status Cleanup::read_time() {
  auto time = redis_.command({"TIME"});
  if (!time) return time.error();
  const auto seconds = time->elements.size() == 2 ? parse_moment(time->elements[0].text) : std::nullopt;
  if (!seconds) return Error("TIME: a reply that is none");
  now_ = *seconds;
  return {};
}

// How a record is taken out of each index. One that is not there names nothing.
Status Cleanup::read_index_types() {
  for (const std::string& index : settings_.indexes) {
    auto type = redis_.command({"TYPE", index});
    if (!type) return type.error();
    if (type->text == "set") removals_.emplace_back("SREM", index);
    if (type->text == "zset") removals_.emplace_back("ZREM", index);
    if (type->text != "set" && type->text != "zset" && type->text != "none") {
      return Error("settings.indexes: the key " + index + " is neither a set nor a sorted set");
    }
  }
  return {};
}

void Cleanup::judge(const RedisValue& reply, const std::string& key, Looking looking, Keys* old) {
  const bool is_hash = reply.kind == RedisValue::Kind::kArray;
  if (reply.kind == RedisValue::Kind::kString && reply.text.empty()) return;  // it is gone
  const auto record = is_hash ? record_of_hash(fields_, reply) : record_of_json(reply.text);
  const bool readable = record && reply.kind != RedisValue::Kind::kError;
  const RecordAge age = readable ? age_of(*record, settings_, now_) : RecordAge::kInUse;
  if (age == RecordAge::kOld) old->push_back(key);
  if (looking == Looking::kAgain) return;
  ++seen_;
  if (!readable) ++unreadable_;
  if (age == RecordAge::kNoTime) ++without_time_;
}

RedisCommand Cleanup::hash_question(const std::string& key) const {
  RedisCommand question{"HMGET", key};
  question.insert(question.end(), fields_.begin(), fields_.end());
  return question;
}

// Those of `keys` that may go. Keys of other types than a text and a hash cannot be records.
Result<Keys> Cleanup::old_ones(const Keys& keys, Looking looking) {
  std::vector<RedisCommand> commands;
  for (const std::string& key : keys) commands.push_back({"TYPE", key});
  const auto types = redis_.pipeline(commands);
  if (!types) return types.error();
  Keys readable;
  commands.clear();
  for (std::size_t place = 0; place < keys.size(); ++place) {
    const std::string& type = (*types)[place].text;
    if (type != "string" && type != "hash") {
      if (type != "none" && looking == Looking::kFirst) ++unreadable_;
      continue;
    }
    readable.push_back(keys[place]);
    commands.push_back(type == "hash"
                           ? hash_question(keys[place])
                           : RedisCommand{"GETRANGE", keys[place], "0", std::to_string(kRecordBytesMax - 1)});
  }
  const auto records = redis_.pipeline(commands);
  if (!records) return records.error();
  Keys old;
  for (std::size_t place = 0; place < readable.size(); ++place) {
    judge((*records)[place], readable[place], looking, &old);
  }
  return old;
}

// An index may name a record by its key or by what follows the prefix.
std::vector<RedisCommand> Cleanup::deletion(const Keys& keys) {
  std::vector<RedisCommand> commands{{"MULTI"}};
  RedisCommand deletion{"DEL"};
  deletion.insert(deletion.end(), keys.begin(), keys.end());
  commands.push_back(deletion);
  for (const auto& [command, index] : removals_) {
    RedisCommand removal{command, index};
    for (const std::string& key : keys) {
      removal.push_back(key);
      removal.push_back(key.substr(settings_.prefix.size()));
    }
    commands.push_back(removal);
  }
  commands.push_back({"EXEC"});
  return commands;
}

EarlyEnd Cleanup::remove(const Keys& keys) {
  if (auto end = before_change(host_)) return end;
  RedisCommand watch{"WATCH"};
  watch.insert(watch.end(), keys.begin(), keys.end());
  if (const auto watched = redis_.command(watch); !watched) return redis_failure(watched.error());
  // Looked at again, as what was seen before the watch may not be true any more.
  const auto old = old_ones(keys, Looking::kAgain);
  if (!old) return redis_failure(old.error());
  changed_ += static_cast<std::int64_t>(keys.size() - old->size());
  if (old->empty()) {
    const auto unwatched = redis_.command({"UNWATCH"});
    return unwatched ? EarlyEnd() : redis_failure(unwatched.error());
  }
  const auto replies = redis_.pipeline(deletion(*old));
  if (!replies) return redis_failure(replies.error());
  const RedisValue& executed = replies->back();
  if (executed.kind == RedisValue::Kind::kError)
    return redis_failure(Error(printable(executed.text, kShownBytesMax)).in("EXEC"));
  if (executed.kind == RedisValue::Kind::kArray && !executed.elements.empty()) {
    removed_ += executed.elements.front().integer;
  } else {
    changed_ += static_cast<std::int64_t>(old->size());
  }
  return std::nullopt;
}

EarlyEnd Cleanup::over_keys(const Keys& keys) {
  const auto batch = static_cast<std::size_t>(settings_.batch);
  for (std::size_t from = 0; from < keys.size(); from += batch) {
    const Keys some(keys.begin() + static_cast<std::ptrdiff_t>(from),
                    keys.begin() + static_cast<std::ptrdiff_t>(std::min(from + batch, keys.size())));
    const auto old = old_ones(some, Looking::kFirst);
    if (!old) return redis_failure(old.error());
    due_ += static_cast<std::int64_t>(old->size());
    if (settings_.dry_run || old->empty()) continue;
    if (auto end = remove(*old)) return end;
  }
  host_.progress(static_cast<double>(seen_), 0, std::to_string(removed_) + " records deleted");
  return std::nullopt;
}

void Cleanup::report() const {
  host_.count("seen", static_cast<double>(seen_));
  host_.count("removed", static_cast<double>(removed_));
  if (unreadable_ > 0) host_.count("unreadable", static_cast<double>(unreadable_));
  if (without_time_ > 0) host_.count("without_time", static_cast<double>(without_time_));
  if (changed_ > 0) host_.count("changed_meanwhile", static_cast<double>(changed_));
  if (settings_.dry_run) {
    host_.log(LogLevel::kInfo, "dry run: " + std::to_string(due_) + " records of prompts would be deleted");
  } else if (removed_ > 0) {
    host_.log(LogLevel::kInfo, "deleted " + std::to_string(removed_) + " records of prompts");
  }
}

JobOutcome Cleanup::run() {
  if (const Status read = read_time(); !read) return redis_failure(read.error());
  if (const Status read = read_index_types(); !read) return redis_failure(read.error());
  KeyScan scan(redis_, settings_.prefix);
  EarlyEnd end;
  while (!scan.done() && !end) {
    if (host_.stop_requested()) {
      end = before_change(host_);
      continue;
    }
    const auto keys = scan.next();
    end = keys ? over_keys(*keys) : redis_failure(keys.error());
  }
  report();
  return end ? *end : JobOutcome::ok();
}

}  // namespace

Result<CleanupSettings> read_cleanup_settings(const Json& params) {
  CleanupSettings settings;
  SettingsReader reader(params);
  settings.prefix = reader.text("prefix", settings.prefix.c_str(), 1);
  settings.status_field = reader.text("status_field", settings.status_field.c_str(), 1);
  settings.statuses = reader.texts("statuses", settings.statuses);
  settings.time_fields = reader.texts("time_fields", settings.time_fields);
  settings.keep = reader.duration("keep", "7d", Duration::zero(), kDurationMax);
  settings.indexes = reader.texts("indexes", settings.indexes);
  settings.batch = reader.integer("batch", settings.batch, 1, 1000);
  settings.dry_run = reader.flag("dry_run", settings.dry_run);
  if (settings.time_fields.empty()) reader.complain("time_fields", "allowed is one field and more");
  if (settings.statuses.empty()) reader.complain("statuses", "allowed is one status and more");
  if (Status status = reader.finish(); !status) return status.error();
  return settings;
}

JobOutcome scheduled_prompt_cleanup(std::string_view text, JobHost& host) {
  const auto params = parse_json(text);
  if (!params) return JobOutcome::failed(kSettingsError, "the run's parameters are no JSON");
  const auto settings = read_cleanup_settings(*params);
  if (!settings) return JobOutcome::failed(kSettingsError, settings.error().message());
  auto redis = connect_redis(*params);
  if (!redis) return redis_failure(redis.error());
  return Cleanup(*settings, *redis, host).run();
}

}  // namespace stargazer::jobs
