#include "io/redis_login.h"

#include <algorithm>
#include <array>

#include "io/printable.h"
#include "io/sentinel.h"

namespace stargazer {
namespace {

constexpr std::size_t kReplyBytesMax = 200;

struct Explanation {
  std::string_view prefix;  // of the server's message
  std::string_view cause;
};

// In this order; the first prefix that fits is taken.
constexpr std::array kExplanations{
    Explanation{"NOAUTH", "the server asks for a password and none is configured (NOAUTH)"},
    Explanation{"WRONGPASS", "the server refuses the user name or the password (WRONGPASS)"},
    Explanation{"ERR invalid password", "the server refuses the password"},
    Explanation{"ERR Client sent AUTH, but no password is set", "a password is configured, but the server has none"},
    Explanation{"ERR AUTH <password> called without any password", "a password is configured, but the server has none"},
    Explanation{"LOADING", "the server is still loading its data (LOADING)"},
    Explanation{"MISCONF", "the server refuses writes because it cannot save its data (MISCONF)"},
    Explanation{"MASTERDOWN", "the server is a replica that has lost its master (MASTERDOWN)"},
    Explanation{"BUSY", "the server is busy with a script (BUSY)"},
    Explanation{"DENIED", "the server is in protected mode and serves only its own host (DENIED)"},
    Explanation{"ERR max number of clients reached", "the server has reached its maxclients"},
    Explanation{"ERR DB index is out of range", "the server has no database of that number"},
};

void add_credentials(const RedisTarget& target, std::vector<LoginStep>& steps) {
  if (!target.username.empty()) {
    steps.push_back({{"AUTH", target.username, target.password}});
  } else if (!target.password.empty()) {
    steps.push_back({{"AUTH", target.password}});
  }
}

// In RESP2 the confirmation is the first of the arrays that are pushed from then on.
bool is_subscribed(const RedisValue& reply, const std::string& channel) {
  const std::vector<RedisValue>& parts = reply.elements;
  return parts.size() == 3 && parts[0].text == "subscribe" && parts[1].text == channel;
}

}  // namespace

std::vector<LoginStep> login_steps(const RedisTarget& target, const std::string& channel) {
  std::vector<LoginStep> steps;
  add_credentials(target, steps);
  if (target.database != 0) steps.push_back({{"SELECT", std::to_string(target.database)}});
  steps.push_back({{"PING"}});
  if (!target.sentinels.empty()) steps.push_back({{"ROLE"}});
  if (!channel.empty()) steps.push_back({{"SUBSCRIBE", channel}});
  return steps;
}

std::vector<LoginStep> sentinel_steps(const RedisTarget& target, bool with_credentials) {
  std::vector<LoginStep> steps;
  if (with_credentials) add_credentials(target, steps);
  steps.push_back({master_question(target.master_name)});
  return steps;
}

std::string login_problem(const LoginStep& step, const Result<RedisValue>& reply) {
  if (!reply) return explain_login_error(step, reply.error().message());
  const std::string& command = step.args.front();
  if (command == "ROLE") {
    const Status role = check_role(*reply);
    return role ? "" : "login: ROLE: " + role.error().message();
  }
  if (command == "SUBSCRIBE" && !is_subscribed(*reply, step.args.back())) {
    return "login: SUBSCRIBE: protocol error: a reply that is not its confirmation";
  }
  return "";
}

std::string explain_login_error(const LoginStep& step, std::string_view reply) {
  const std::string& command = step.args.front();
  // A user who may not PING is logged in all the same; one who may not ask for the ROLE is told by the first READONLY.
  if ((command == "PING" || command == "ROLE") && reply.starts_with("NOPERM")) return "";
  const std::string context = "login: " + command + ": ";
  const auto* known = std::find_if(kExplanations.begin(), kExplanations.end(),
                                   [&](const Explanation& each) { return reply.starts_with(each.prefix); });
  if (known != kExplanations.end()) return context + std::string(known->cause);
  if (command == "AUTH") return context + "the server refuses it for a reason that could quote the password";
  return context + printable(reply, kReplyBytesMax);
}

}  // namespace stargazer
