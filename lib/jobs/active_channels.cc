#include "jobs/active_channels.h"

#include <algorithm>

#include "jobs/moment.h"

namespace stargazer::jobs {
namespace {

// Of a message's hash; in this order they are asked for.
const std::vector<std::string> kFields{"timestamp", "user_name", "user_id", "message_id", "reply_to_id", "text"};
constexpr std::size_t kMessagesPerQuestion = 50;

bool is_later(const ActiveChannel& one, const ActiveChannel& other) {
  return one.newest != other.newest ? one.newest > other.newest : one.key < other.key;
}

// "PREFIXplatform:channel"; the first colon after the prefix separates.
bool split_key(const std::string& key, std::size_t prefix_bytes, ActiveChannel* channel) {
  const std::size_t colon = key.find(':', prefix_bytes);
  if (colon == std::string::npos || colon == prefix_bytes || colon + 1 == key.size()) return false;
  channel->key = key;
  channel->platform = key.substr(prefix_bytes, colon - prefix_bytes);
  channel->channel_id = key.substr(colon + 1);
  return true;
}

CachedMessage message_of(const std::vector<RedisValue>& fields) {
  const auto text = [&](std::size_t place) { return fields[place].text; };
  CachedMessage message{0, text(1), text(2), text(3), text(4), text(5)};
  message.timestamp = parse_moment(text(0)).value_or(0);
  if (message.user_name.empty()) message.user_name = message.user_id;
  return message;
}

}  // namespace

Result<std::vector<ActiveChannel>> active_channels(RedisLink& redis, const std::string& prefix, std::size_t count,
                                                   const JobHost& host) {
  std::vector<ActiveChannel> found;
  KeyScan scan(redis, prefix);
  while (!scan.done() && !host.stop_requested()) {
    const auto keys = scan.next();
    if (!keys) return keys.error();
    std::vector<RedisCommand> commands;
    for (const std::string& key : *keys) commands.push_back({"ZREVRANGE", key, "0", "0", "WITHSCORES"});
    const auto newest = redis.pipeline(commands);
    if (!newest) return newest.error();
    for (std::size_t place = 0; place < keys->size(); ++place) {
      ActiveChannel channel;
      const RedisValue& reply = (*newest)[place];  // an error for a key of another type
      if (reply.elements.size() != 2 || !split_key((*keys)[place], prefix.size(), &channel)) continue;
      channel.newest = parse_moment(reply.elements[1].text).value_or(0);
      found.push_back(std::move(channel));
    }
    std::sort(found.begin(), found.end(), is_later);
    // SCAN may name a key twice.
    found.erase(std::unique(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.key == b.key; }),
                found.end());
    if (found.size() > count) found.resize(count);
  }
  return found;
}

Result<std::vector<CachedMessage>> last_messages(RedisLink& redis, const ActiveChannel& channel, std::size_t count) {
  const auto keys = redis.command({"ZREVRANGE", channel.key, "0", std::to_string(count - 1)});
  if (!keys) return keys.error();
  std::vector<CachedMessage> messages;
  const std::size_t key_count = keys->elements.size();
  for (std::size_t from = 0; from < key_count; from += kMessagesPerQuestion) {
    std::vector<RedisCommand> commands;
    for (std::size_t place = from; place < std::min(from + kMessagesPerQuestion, key_count); ++place) {
      RedisCommand question{"HMGET", keys->elements[place].text};
      question.insert(question.end(), kFields.begin(), kFields.end());
      commands.push_back(std::move(question));
    }
    const auto replies = redis.pipeline(commands);
    if (!replies) return replies.error();
    for (const RedisValue& reply : *replies) {
      if (reply.elements.size() != kFields.size() || reply.elements.back().text.empty()) continue;
      messages.push_back(message_of(reply.elements));
    }
  }
  std::reverse(messages.begin(), messages.end());
  return messages;
}

}  // namespace stargazer::jobs
