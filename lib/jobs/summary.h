// What a language model says of channels, and what becomes of it in Redis (FACTS section 8).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "jobs/json_text.h"

namespace stargazer::jobs {

struct SummarizedChannel {
  std::string platform;
  std::string channel_id;
  std::size_t message_count = 0;
};

// What the model is told to do with the transcript of a channel, and with the summaries of several.
extern const char* const kChannelInstructions;
extern const char* const kOverallInstructions;

// The object that the model was asked for, out of its answer: that is the object alone, or stands in a fence of three
// backticks, or has words around it. Null when there is none.
Json object_in(const std::string& answer);

// The value of a channel's key: overview, key_topics, active_users, notable_discussions, mood, channel_id, platform,
// message_count, generated_at. A member that the model left out or gave another type is empty. When the answer holds no
// object, its text is kept as `raw`, and as the overview.
Json channel_summary(const std::string& answer, const SummarizedChannel& channel, const std::string& generated_at);

// The value of the key of all channels: overview, key_themes, channels, generated_at; `raw` as above.
Json overall_summary(const std::string& answer, const std::vector<Json>& channels, const std::string& generated_at);

// What the model is given for it: the summaries of channels, one a line.
std::string overall_question(const std::vector<Json>& channels);

}  // namespace stargazer::jobs
