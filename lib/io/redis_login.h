// What is said to a Redis server first, and what its refusals mean.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/redis.h"
#include "io/redis_target.h"

namespace stargazer {

// One command of the login. The steps are sent in one go; each answer counts.
struct LoginStep {
  std::vector<std::string> args;
};

// AUTH when there are credentials (one argument for the default user, as servers before 6 know it, else two), SELECT
// unless the database is 0, and always PING: only its answer shows that somebody is there who serves. ROLE when
// sentinels said where the server is, and SUBSCRIBE when `channel` is not empty.
std::vector<LoginStep> login_steps(const RedisTarget& target, const std::string& channel);

// What a sentinel is asked: who the master is. Credentials are those of the server; they are sent only to a sentinel
// that has refused to answer without.
std::vector<LoginStep> sentinel_steps(const RedisTarget& target, bool with_credentials);

// The cause, for a person, for which the answer to a step does not let us in; empty when it does.
std::string login_problem(const LoginStep& step, const Result<RedisValue>& reply);

// The cause, for a person, of an error reply to a step; empty when the error does not matter. What the server said is
// repeated only where it cannot hold the password: servers are known to quote a command that they do not know.
std::string explain_login_error(const LoginStep& step, std::string_view reply);

}  // namespace stargazer
