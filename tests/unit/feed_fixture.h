// What the tests of the feed share: a feed that runs, its Redis, its journal, and journalctl as the judge.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <sys/time.h>
#include <vector>

#include <hiredis/hiredis.h>
#include <nlohmann/json.hpp>

#include "feed/feed.h"
#include "support/journal_maker.h"
#include "support/process.h"
#include "support/redis_server.h"
#include "unit/catch.h"

namespace stargazer::testing::feed {

using nlohmann::json;

inline constexpr const char* kChannel = "stargazer:journal";

// Long enough for a busy machine: reaching it is a failure.
inline constexpr std::chrono::seconds kPatience{30};

inline std::vector<json> parse_lines(const std::string& text) {
  std::vector<json> parsed;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    parsed.push_back(json::parse(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return parsed;
}

inline std::vector<json> journalctl(const std::filesystem::path& directory, const std::vector<std::string>& units) {
  std::vector<std::string> argv = {"journalctl", "--directory=" + directory.string(), "--output=json", "--quiet"};
  for (const std::string& unit : units) argv.insert(argv.end(), {"--unit", unit});
  return parse_lines(run(argv));
}

class RedisClient {
 public:
  explicit RedisClient(const RedisServer& server)
      : context_(redisConnectUnix(server.socket_path().c_str()), &redisFree) {
    const timeval timeout{kPatience.count(), 0};
    REQUIRE(context_->err == 0);
    redisSetTimeout(context_.get(), timeout);
  }

  std::string command(std::vector<const char*> argv) {
    return take(redisCommandArgv(context_.get(), static_cast<int>(argv.size()), argv.data(), nullptr));
  }

  // The reply as text, an array as JSON.
  json ask(std::vector<const char*> argv) {
    void* object = redisCommandArgv(context_.get(), static_cast<int>(argv.size()), argv.data(), nullptr);
    REQUIRE(object != nullptr);
    const std::unique_ptr<redisReply, void (*)(redisReply*)> reply(static_cast<redisReply*>(object),
                                                                   [](redisReply* r) { freeReplyObject(r); });
    return json_of(*reply);
  }

  void subscribe() { command({"SUBSCRIBE", kChannel}); }

  // The next message of the subscription.
  json message() {
    void* reply = nullptr;
    if (redisGetReply(context_.get(), &reply) != REDIS_OK) FAIL("no message: " << context_->errstr);
    return json::parse(take(reply));
  }

  std::vector<json> messages(std::size_t count) {
    std::vector<json> all;
    while (all.size() < count) all.push_back(message());
    return all;
  }

 private:
  static json json_of(const redisReply& reply) {
    if (reply.type == REDIS_REPLY_INTEGER) return reply.integer;
    if (reply.type != REDIS_REPLY_ARRAY) return std::string(reply.str, reply.len);
    json all = json::array();
    for (std::size_t i = 0; i < reply.elements; ++i) all.push_back(json_of(*reply.element[i]));
    return all;
  }

  // The reply's text, or that of its last element: the message of ["message", channel, message].
  static std::string take(void* object) {
    REQUIRE(object != nullptr);
    const std::unique_ptr<redisReply, void (*)(redisReply*)> reply(static_cast<redisReply*>(object),
                                                                   [](redisReply* r) { freeReplyObject(r); });
    REQUIRE(reply->type != REDIS_REPLY_ERROR);
    const redisReply* last = reply->type == REDIS_REPLY_ARRAY ? reply->element[reply->elements - 1] : reply.get();
    return last->str == nullptr ? "" : std::string(last->str, last->len);
  }

  std::unique_ptr<redisContext, void (*)(redisContext*)> context_;
};

// A feed, what it logs, and how it ended.
class RunningFeed {
 public:
  // `position_file`: "" = the position is not kept.
  RunningFeed(FeedConfig config, RedisTarget redis, std::string position_file = "")
      : ended_(promise_.get_future()),
        feed_(
            std::move(config), std::move(redis), std::move(position_file),
            [this](LogRecord record) { log(std::move(record)); },
            [this](Status status) { promise_.set_value(std::move(status)); }) {}

  Feed& operator*() { return feed_; }
  Feed* operator->() { return &feed_; }

  // Waits for a line with `text`.
  void wait_for_log(const std::string& text) {
    std::unique_lock lock(mutex_);
    const bool found = logged_.wait_for(lock, kPatience, [&] { return count_locked(text) > 0; });
    if (!found) FAIL("not logged: " << text);
  }

  std::size_t count_logged(const std::string& text) {
    const std::lock_guard lock(mutex_);
    return count_locked(text);
  }

  // Stops it and returns how long that took. It must end with success.
  std::chrono::steady_clock::duration stop() {
    const auto before = std::chrono::steady_clock::now();
    feed_.request_stop();
    REQUIRE(ended().ok());
    return std::chrono::steady_clock::now() - before;
  }

  Status ended() {
    REQUIRE(ended_.wait_for(kPatience) == std::future_status::ready);
    return ended_.get();
  }

 private:
  void log(LogRecord record) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(record.message));
    logged_.notify_all();
  }

  std::size_t count_locked(const std::string& text) const {
    return static_cast<std::size_t>(std::count_if(
        lines_.begin(), lines_.end(), [&](const std::string& line) { return line.find(text) != std::string::npos; }));
  }

  std::mutex mutex_;
  std::condition_variable logged_;
  std::vector<std::string> lines_;
  std::promise<Status> promise_;
  std::future<Status> ended_;
  Feed feed_;
};

inline RedisTarget target_of(const RedisServer& server) {
  RedisTarget target;
  target.unix_path = server.socket_path();
  return target;
}

inline FeedConfig config_of(const std::filesystem::path& directory, std::uint32_t backlog = 1000) {
  FeedConfig config;
  config.channel = kChannel;
  config.directory = directory.string();
  config.backlog = backlog;
  return config;
}

inline JournalEntry from_unit(const std::string& unit, const std::string& message) {
  return {{"MESSAGE", message}, {"PRIORITY", "6"}, {"_UID", "1000"}, {"_PID", "4711"}, {"_SYSTEMD_UNIT", unit}};
}

inline std::vector<JournalEntry> numbered(const std::string& unit, int first, int count) {
  std::vector<JournalEntry> entries;
  for (int i = first; i < first + count; ++i) entries.push_back(from_unit(unit, std::to_string(i)));
  return entries;
}

}  // namespace stargazer::testing::feed
