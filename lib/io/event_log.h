// The core's events as lines of the log.
#pragma once

#include <string>

#include "core/event.h"
#include "io/log.h"
#include "io/uv_worker_host.h"

namespace stargazer {

// A sentence for a person, and the fields STARGAZER_EVENT, TASK, RUN_ID, OUTCOME, DURATION_MS, DELAY_MS, ERROR and
// REASON as far as the event has them. `run_id_text` is "" for an event without a run.
LogRecord log_record(const Event& event, const std::string& run_id_text);

// A worker's line: the line itself as message, "NAME: " before it on a terminal only; fields TASK, RUN_ID, STREAM, and
// CUT=1 with a visible mark when it was cut. Bytes that are not UTF-8 reach the journal as they are.
LogRecord log_record(const OutputLine& line);

}  // namespace stargazer
