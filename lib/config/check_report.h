// What --check prints: one line a task and supervised worker, or the same as JSON.
#pragma once

#include <string>

#include "core/config.h"
#include "core/registry.h"

namespace stargazer {

// For a person: the lines of scheduled_line and chat_llm_line, then one line for each task ("what it will do, or why it
// will not") and each supervised worker.
std::string check_report_text(const Config& config, const Registry& registry);

// For a program: {"tasks": [{"name", "interval_s", "initial_delay_s", "requires", "requires_chat_llm", "opt_in",
// "run_on", "pool", "timeout_s", "jitter_s", "retries", "retry_backoff_s", "persist", "limits", "job", "scheduled",
// "reason"}, …], "supervised": [{"name", "job", "limits", "opt_out", "scheduled", "reason"}, …], "chat_llm": str|null},
// one object, indented by two. `limits` has those that are set, memory_max in bytes. `reason` is null when scheduled,
// `job` is {"kind": …, and its own keys}.
std::string check_report_json(const Config& config, const Registry& registry);

}  // namespace stargazer
