// Whether Redis may throw the lease away to make room, of which it tells nobody.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "io/redis.h"

namespace stargazer {

// The value of a line "name:value" of what INFO answers; "" when there is none.
std::string info_value(std::string_view info, std::string_view name);

// One sentence for an operator when the answer of INFO memory says that maxmemory is set and that the policy may evict
// keys that live as long as the lease does, or the one beside it; "" when not, or when the answer is no such thing.
std::string eviction_warning(const Result<RedisValue>& info_memory);

}  // namespace stargazer
