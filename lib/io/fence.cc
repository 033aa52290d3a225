#include "io/fence.h"

#include <cassert>

namespace stargazer {
namespace {

// KEYS: the lease, its term. ARGV: holder, epoch, then each command as the number of its arguments and the arguments.
// The epoch is compared as text: the lease store writes every one in the same way.
constexpr const char* kFenced = R"(
local holder = redis.call('GET', KEYS[1])
local epoch = redis.call('HGET', KEYS[2], 'epoch')
if holder ~= ARGV[1] or epoch ~= ARGV[2] then
  local held_by = string.sub(holder or 'nobody', 1, 200)
  return redis.error_reply('FENCED the term of epoch ' .. ARGV[2] .. ' is over: the lease is held by ' .. held_by ..
                           ', the last epoch is ' .. string.sub(epoch or 'unknown', 1, 20))
end
local at = 3
local answer
while at <= #ARGV do
  local size = tonumber(ARGV[at])
  answer = redis.call(unpack(ARGV, at + 1, at + size))
  at = at + 1 + size
end
return answer
)";

}  // namespace

std::vector<std::string> fenced_commands(const Fence& fence, const std::vector<std::vector<std::string>>& commands) {
  assert(!commands.empty());
  std::vector<std::string> args{
      "EVAL", kFenced, "2", fence.lease_key, term_key(fence.lease_key), fence.holder, std::to_string(fence.epoch)};
  for (const std::vector<std::string>& command : commands) {
    assert(!command.empty());
    args.push_back(std::to_string(command.size()));
    args.insert(args.end(), command.begin(), command.end());
  }
  return args;
}

std::vector<std::string> fenced_command(const Fence& fence, const std::vector<std::string>& command) {
  return fenced_commands(fence, {command});
}

bool refused_by_fence(const Error& error) {
  return error.message().rfind(std::string(kFencedError) + " ", 0) == 0;
}

std::string term_key(const std::string& lease_key) {
  return lease_key + ":term";
}

std::string announcement_channel(const std::string& lease_key) {
  return lease_key + ":released";
}

}  // namespace stargazer
