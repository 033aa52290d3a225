// The fencing token at the resource itself (LEASE.md rule 11): a write that Redis carries out only while the term in
// whose name it is made is the current one. It is the only full answer to a worker that was paused together with its
// machine and goes on long after its term.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"

namespace stargazer {

// In whose name a write is made.
struct Fence {
  std::string lease_key;
  std::string holder;  // the node id, as it stands in the lease key
  std::uint64_t epoch = 0;
};

// One command for Redis that carries out `command` if the lease key holds `holder` and the last epoch granted is
// `epoch`, in one step with the comparison, and else changes nothing and answers an error that begins with
// kFencedError. The keys of `command` are not declared to Redis, so it is for a server or a primary with replicas, not
// for Redis Cluster. REQUIRES: command is not empty and is one that a script may call (PUBLISH, XADD, HSET, EXPIRE, …).
std::vector<std::string> fenced_command(const Fence& fence, const std::vector<std::string>& command);

// The same for several commands, carried out in their order; the answer is that of the last. When one of them fails,
// those before it have been carried out. REQUIRES: commands is not empty, and none of them is; 4000 arguments in all
// at the most, which is what Lua's stack holds.
std::vector<std::string> fenced_commands(const Fence& fence, const std::vector<std::vector<std::string>>& commands);

inline constexpr const char* kFencedError = "FENCED";

// Whether a failed command was refused by the fence, as opposed to any other failure.
bool refused_by_fence(const Error& error);

// The key beside the lease key that holds what outlives a term: a hash of `epoch`, `holder`, `start`, `released`.
std::string term_key(const std::string& lease_key);
// The channel on which a release is announced; the message is the node id.
std::string announcement_channel(const std::string& lease_key);

}  // namespace stargazer
