#include "io/shared_last_ends.h"

#include <charconv>
#include <optional>
#include <utility>

namespace stargazer {
namespace {

constexpr std::uint64_t kRetryMs = 1000;
// What lies within it can be subtracted from now in nanoseconds.
constexpr WallTime kWallTimeMax{std::chrono::sys_days(std::chrono::year(2200) / 1 / 1)};

std::optional<WallTime> wall_time_of(const std::string& text) {
  std::int64_t microseconds = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, microseconds);
  const WallTime time{std::chrono::microseconds(microseconds)};
  if (error != std::errc() || stop != end || microseconds < 0 || time > kWallTimeMax) return std::nullopt;
  return time;
}

}  // namespace

std::string SharedLastEnds::key(const std::string& lease_key) {
  return lease_key + ":last_ends";
}

Result<std::map<std::string, WallTime>> last_ends_of(const RedisValue& answer) {
  using Kind = RedisValue::Kind;
  if (answer.kind != Kind::kArray || answer.elements.size() % 2 != 0) return Error("the answer is no hash");
  std::map<std::string, WallTime> ends;
  for (std::size_t place = 0; place < answer.elements.size(); place += 2) {
    const RedisValue& task = answer.elements[place];
    const RedisValue& end = answer.elements[place + 1];
    if (task.kind != Kind::kString || end.kind != Kind::kString) return Error("the answer is no hash of strings");
    if (const std::optional<WallTime> time = wall_time_of(end.text)) ends[task.text] = *time;
  }
  return ends;
}

SharedLastEnds::SharedLastEnds(uv_loop_t* loop, Redis& redis, std::string lease_key, std::string node_id,
                               Callbacks callbacks)
    : redis_(redis),
      lease_key_(std::move(lease_key)),
      node_id_(std::move(node_id)),
      callbacks_(std::move(callbacks)),
      retry_(new uv_timer_t) {
  uv_timer_init(loop, retry_);
  retry_->data = this;
}

void SharedLastEnds::term_began() {
  ++term_;
  asking_ = true;
  ask();
}

void SharedLastEnds::term_ended() {
  asking_ = false;
  if (retry_ != nullptr) uv_timer_stop(retry_);
}

void SharedLastEnds::ask() {
  redis_.command({"HGETALL", key(lease_key_)}, [this, term = term_](const Result<RedisValue>& answer) {
    if (asking_ && term == term_) on_answer(answer);
  });
}

void SharedLastEnds::on_answer(const Result<RedisValue>& answer) {
  Result<std::map<std::string, WallTime>> ends = answer.ok() ? last_ends_of(*answer) : answer.error();
  if (ends.ok()) {
    asking_ = false;
    problem_.clear();
    callbacks_.learnt({std::move(ends).value()});
    return;
  }
  if (std::exchange(problem_, ends.error().message()) != problem_) callbacks_.warn(key(lease_key_) + ": " + problem_);
  if (retry_ == nullptr) return;
  uv_timer_start(
      retry_, [](uv_timer_t* timer) { static_cast<SharedLastEnds*>(timer->data)->ask(); }, kRetryMs, 0);
}

void SharedLastEnds::record(const std::string& task, WallTime end, std::uint64_t epoch) {
  unsent_.insert_or_assign(task, End{end, epoch});
  send(task);
}

void SharedLastEnds::send(const std::string& task) {
  const End end = unsent_.at(task);
  const std::string microseconds = std::to_string(end.at.time_since_epoch().count());
  const std::vector<std::string> write{"HSET", key(lease_key_), task, microseconds};
  redis_.command(fenced_command({lease_key_, node_id_, end.epoch}, write),
                 [this, task, end](const Result<RedisValue>& answer) {
                   if (!answer.ok() && !refused_by_fence(answer.error())) return;  // redis_reachable tries again
                   const auto place = unsent_.find(task);
                   if (place != unsent_.end() && place->second.at == end.at) unsent_.erase(place);
                 });
}

void SharedLastEnds::redis_reachable() {
  for (const auto& [task, end] : unsent_) send(task);
}

void SharedLastEnds::close() {
  if (retry_ == nullptr) return;
  uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(retry_, nullptr)),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
}

}  // namespace stargazer
