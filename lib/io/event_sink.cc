#include "io/event_sink.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <utility>

#include <nlohmann/json.hpp>

#include "io/printable.h"
#include "io/uuid.h"

namespace stargazer {
namespace {

using Json = nlohmann::json;

// KEYS: the hash. ARGV: its ttl in ms or 0, the channel, the message, the fields.
constexpr const char* kPublish = R"(
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
if tonumber(ARGV[1]) > 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return redis.call('PUBLISH', ARGV[2], ARGV[3])
)";

constexpr std::int64_t kMicrosecondsPerSecond = 1'000'000;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// At most `bytes_max` bytes of valid UTF-8. Clients that decode replies would stumble over anything else.
std::string clean(std::string_view text, std::size_t bytes_max) {
  return Json::parse(dump(Json(text.substr(0, bytes_max)))).get<std::string>();
}

// Never parsed into a tree: a payload that nests a thousand levels deep would exhaust the stack when written again.
std::string clean_payload(const std::string& payload) {
  if (payload.size() > EventSink::kPayloadBytesMax) return dump(Json{{"truncated_bytes", payload.size()}});
  return Json::accept(payload) ? payload : dump(Json(payload));
}

// Seconds since 1970, to the microsecond, as Python's time.time() would print them.
std::string epoch_seconds(WallTime time) {
  const auto microseconds = std::max<std::int64_t>(time.time_since_epoch().count(), 0);
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%lld.%06lld", static_cast<long long>(microseconds / kMicrosecondsPerSecond),
                static_cast<long long>(microseconds % kMicrosecondsPerSecond));
  return text.data();
}

}  // namespace

std::optional<DebugEvent> task_run_event(const Event& event, const std::string& run_id, const std::string& node_id,
                                         WallTime at) {
  if (event.kind != EventKind::kRunEnded || event.outcome == Outcome::kCancelled) return std::nullopt;
  const bool good = event.outcome == Outcome::kOk || event.outcome == Outcome::kSkipped;
  const std::string cause = event.detail.empty() ? name_of(event.outcome) : event.detail;
  const std::string error = good ? "" : clean(cause, EventSink::kErrorBytesMax);

  DebugEvent run;
  run.event_type = "scheduler_task_run";
  run.source = "scheduler";
  run.status = good ? "ok" : "error";
  run.duration_ms = to_seconds(event.duration) * 1000;
  run.preview = "task=" + event.task + " status=" + run.status;
  run.payload = dump(Json{{"task", event.task}, {"error", error}});
  run.timestamp = at;
  run.node_id = node_id;
  run.run_id = run_id;
  return run;
}

DebugEvent counter_event(const Counted& counted, const std::string& run_id, const std::string& node_id, WallTime at) {
  const std::string error = clean(counted.error, Counters::kErrorBytesMax);
  Json payload{{"task_name", counted.task_name}, {"count", counted.count}};
  if (!error.empty()) payload["error"] = error;

  DebugEvent event;
  event.event_type = counted.name;
  event.source = "supervisor";
  event.status = error.empty() ? "ok" : "error";
  event.preview = "task_name=" + counted.task_name + (error.empty() ? "" : " error=" + error);
  event.payload = dump(payload);
  event.timestamp = at;
  event.node_id = node_id;
  event.run_id = run_id;
  return event;
}

RenderedEvent render(const DebugEvent& event, const std::string& id) {
  RenderedEvent rendered;
  Json message{{"id", id}};
  const auto add_text = [&](const char* name, const std::string& text, std::size_t bytes_max) {
    const std::string value = clean(text, bytes_max);
    rendered.fields.insert(rendered.fields.end(), {name, value});
    message[name] = value;
  };
  const auto add_number = [&](const char* name, const std::string& number) {
    rendered.fields.insert(rendered.fields.end(), {name, number});
  };
  add_text("event_type", event.event_type, EventSink::kNameBytesMax);
  add_text("source", event.source, EventSink::kNameBytesMax);
  add_text("phase", event.phase, EventSink::kNameBytesMax);
  add_text("status", event.status, EventSink::kNameBytesMax);
  add_text("preview", event.preview, EventSink::kPreviewBytesMax);
  add_text("node_id", event.node_id, EventSink::kNameBytesMax);
  add_text("run_id", event.run_id, EventSink::kNameBytesMax);
  const std::string duration_ms = dump(Json(std::isfinite(event.duration_ms) ? event.duration_ms : 0.0));
  const std::string timestamp = epoch_seconds(event.timestamp);
  const std::string payload = clean_payload(event.payload);
  add_number("duration_ms", duration_ms);
  add_number("timestamp", timestamp);
  add_number("payload", payload);

  // These three are JSON already.
  rendered.message = dump(message);
  rendered.message.pop_back();
  rendered.message +=
      ",\"duration_ms\":" + duration_ms + ",\"timestamp\":" + timestamp + ",\"payload\":" + payload + "}";
  return rendered;
}

EventSink::EventSink(Redis& redis, EventsConfig config) : redis_(redis), config_(std::move(config)) {}

void EventSink::publish(DebugEvent event, std::optional<Fence> fence) {
  // Before it waits, and not only when it is sent.
  if (event.payload.size() > kPayloadBytesMax) event.payload = clean_payload(event.payload);
  queue_.push_back({++sequence_, random_uuid(), std::move(event), std::move(fence), 0});
  send_waiting();
  drop_beyond_limit();
}

void EventSink::redis_reachable() {
  send_waiting();
}

void EventSink::send_waiting() {
  while (!queue_.empty() && in_flight_.size() < kInFlightMax && redis_.reachable()) {
    Entry entry = std::move(queue_.front());
    queue_.pop_front();
    send(std::move(entry));
  }
}

// One script either way: without a fence our own, with one that of the fence, which runs the same commands.
std::vector<std::string> EventSink::command_for(const Entry& entry) const {
  const auto ttl_ms = std::chrono::duration_cast<std::chrono::milliseconds>(config_.ttl).count();
  const std::string key = config_.key_prefix + entry.id;
  RenderedEvent rendered = render(entry.event, entry.id);
  if (!entry.fence) {
    std::vector<std::string> args{"EVAL",          kPublish,        "1", key, std::to_string(ttl_ms),
                                  config_.channel, rendered.message};
    std::move(rendered.fields.begin(), rendered.fields.end(), std::back_inserter(args));
    return args;
  }
  std::vector<std::vector<std::string>> commands{{"HSET", key}};
  std::move(rendered.fields.begin(), rendered.fields.end(), std::back_inserter(commands.front()));
  if (ttl_ms > 0) commands.push_back({"PEXPIRE", key, std::to_string(ttl_ms)});
  commands.push_back({"PUBLISH", config_.channel, std::move(rendered.message)});
  return fenced_commands(*entry.fence, commands);
}

void EventSink::send(Entry entry) {
  const std::vector<std::string> args = command_for(entry);
  const std::uint64_t sequence = entry.sequence;
  ++entry.attempts;
  in_flight_.push_back(std::move(entry));
  redis_.command(args, [this, sequence](const Result<RedisValue>& answer) { answered(sequence, answer); });
}

void EventSink::answered(std::uint64_t sequence, const Result<RedisValue>& answer) {
  const auto found = std::find_if(in_flight_.begin(), in_flight_.end(),
                                  [&](const Entry& entry) { return entry.sequence == sequence; });
  Entry entry = std::move(*found);
  in_flight_.erase(found);
  if (answer) {
    ++published_count_;
  } else if (refused_by_fence(answer.error())) {
    ++fenced_count_;
    last_error_ = answer.error().message();
  } else if (redis_.reachable() || entry.attempts >= kAttemptsMax) {
    ++dropped_count_;
    last_error_ = answer.error().message();
  } else {
    put_back(std::move(entry));
  }
  send_waiting();
}

void EventSink::put_back(Entry entry) {
  const auto later = std::find_if(queue_.begin(), queue_.end(),
                                  [&](const Entry& waiting) { return waiting.sequence > entry.sequence; });
  queue_.insert(later, std::move(entry));
  drop_beyond_limit();
}

void EventSink::drop_beyond_limit() {
  while (queue_.size() > config_.queue_max) {
    queue_.pop_front();
    ++dropped_count_;
  }
}

}  // namespace stargazer
