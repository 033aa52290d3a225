#include "jobs/job_list.h"

#include "jobs/channel_summarization.h"
#include "jobs/kg_decay.h"
#include "jobs/limbic_maintenance.h"
#include "jobs/scheduled_prompt_cleanup.h"

namespace stargazer::jobs {

const std::array<NamedJob, 4> kJobs{{
    {"channel_summarization", "lets a language model summarise the most active channels", channel_summarization},
    {"kg_decay", "weakens the relationships of the knowledge graph and removes the weakest", kg_decay},
    {"limbic_maintenance", "removes nodes of the knowledge graph that nothing refers to any more", limbic_maintenance},
    {"scheduled_prompt_cleanup", "deletes the records of prompts that are over", scheduled_prompt_cleanup},
}};

}  // namespace stargazer::jobs
