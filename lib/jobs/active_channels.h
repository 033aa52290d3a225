// The channels in which something was said, from Stargazer's cache of messages in Redis (FACTS section 3).
#pragma once

#include <string>
#include <vector>

#include "core/result.h"
#include "jobs/job.h"
#include "jobs/redis_link.h"
#include "jobs/transcript.h"

namespace stargazer::jobs {

struct ActiveChannel {
  std::string key;  // of its sorted set of messages
  std::string platform;
  std::string channel_id;  // may hold colons
  double newest = 0;       // when its last message was sent, in seconds since 1970
};

// The `count` channels with the latest messages, the latest first, from the sorted sets "PREFIXplatform:channel". Keys
// of another form or type are passed over. An early end of the scan, when the run is to stop, answers what it has
// found.
Result<std::vector<ActiveChannel>> active_channels(RedisLink& redis, const std::string& prefix, std::size_t count,
                                                   const JobHost& host);

// The last `count` messages of a channel, from old to new. Those that have expired or have no text are left out.
Result<std::vector<CachedMessage>> last_messages(RedisLink& redis, const ActiveChannel& channel, std::size_t count);

}  // namespace stargazer::jobs
