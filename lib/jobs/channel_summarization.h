// Lets a language model summarise the most active channels, each by itself and all together, and keeps what it says in
// Redis for Stargazer's own readers (FACTS section 8). The model of a job that asks a language model.
//
// Run again, it asks only for channels in which something was said since their summary: a run that was interrupted
// costs no answer twice.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "jobs/chat_model.h"
#include "jobs/job.h"
#include "jobs/json_text.h"

namespace stargazer::jobs {

// [tasks.channel_summarization.settings], with its defaults. docs/jobs.md describes each.
struct SummarizationSettings {
  ChatOptions chat;
  std::string api_key_file;
  std::int64_t channels = 10;
  std::int64_t messages = 300;  // of each channel
  std::int64_t transcript_letters_max = 120'000;
  std::string messages_prefix = "channel_msgs:";
  std::string summary_prefix = "stargazer:last1k_summary:";  // then the channel's id
  std::string overall_key = "stargazer:mru_summary";
  Duration ttl{};
  bool skip_unchanged = true;
};

// Fails with everything that is wrong in the settings of a run. The key is not read yet.
Result<SummarizationSettings> read_summarization_settings(const Json& params);

JobOutcome channel_summarization(std::string_view params, JobHost& host);

}  // namespace stargazer::jobs
