// What a Sentinel is asked and what Redis servers answer about who is the master.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/host_port.h"
#include "core/result.h"
#include "io/redis.h"

namespace stargazer {

// The question for the address of the master that is known by this name.
std::vector<std::string> master_question(const std::string& master_name);

// Where the master is, from a sentinel's answer. Fails when it does not know that name, on an error reply, and on
// anything that is not a host and a port.
Result<HostPort> master_answer(const std::string& master_name, const Result<RedisValue>& answer);

// Success when ROLE was answered by a master. A sentinel may be wrong for some seconds after a failover.
Status check_role(const RedisValue& answer);

// Whether a command failed because its server is not, or not yet, the master: READONLY, LOADING or MASTERDOWN, also
// from within a script.
bool is_refusal_of_no_master(std::string_view error);

}  // namespace stargazer
