// Where the servers are that a job needs, from the member `setup` of its run's parameters (docs/workers.md). Of a
// secret only the path of its file is there; the file is read here.
#pragma once

#include <string>

#include "core/result.h"
#include "io/redis_target.h"
#include "jobs/json_text.h"
#include "jobs/redis_link.h"

namespace stargazer::jobs {

// The Redis of [redis]. Fails when there is none, and as redis_target does.
Result<RedisLink> connect_redis(const Json& params);

// Whether there is a knowledge graph: [kg] is configured.
bool has_graph_server(const Json& params);
// Why a job of the graph has nothing to do without one.
inline constexpr const char* kNoGraphServer = "there is no knowledge graph: [kg] is not configured";

// The server that holds the knowledge graph: [kg] url, with the user and the password of [redis], or the Redis itself
// when that is empty. Fails when there is none, and as redis_target does.
Result<RedisLink> connect_graph_server(const Json& params);

// The graph's name in [kg]; "" when there is none.
std::string graph_name(const Json& params);

// The language model of [openrouter].
struct ModelSetup {
  std::string base_url;      // "" = there is none
  std::string api_key_file;  // "" = no key
};
ModelSetup model_setup(const Json& params);

// A flag of [flags]; `fallback` when it is not set. Python's truth, as in core/config.h.
bool flag_of(const Json& params, const char* name, bool fallback);

// The first line of a file that holds a secret: up to 4 KiB, printable ASCII. No failure repeats any of it.
Result<std::string> read_secret(const std::string& path);

}  // namespace stargazer::jobs
