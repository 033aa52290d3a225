#include "core/counters.h"

namespace stargazer {
namespace {

bool is_crash(const Event& event) {
  return event.kind == EventKind::kWorkerEnded &&
         (event.outcome == Outcome::kFailed || event.outcome == Outcome::kTimedOut ||
          event.outcome == Outcome::kSpawnFailed);
}

}  // namespace

std::optional<Counted> Counters::count(const Event& event) {
  if (event.kind != EventKind::kWorkerStarted && !is_crash(event)) return std::nullopt;
  Counted counted;
  counted.name = is_crash(event) ? "task_crash" : "task_started";
  counted.task_name = event.task;
  if (is_crash(event)) counted.error = (event.error.empty() ? event.detail : event.error).substr(0, kErrorBytesMax);
  Series series{counted.name, counted.task_name, counted.error};
  if (!counted.error.empty() && counts_.size() >= kSeriesMax && !counts_.contains(series)) {
    counted.error = kOther;
    series = {counted.name, counted.task_name, kOther};
  }
  counted.count = ++counts_[series];
  return counted;
}

}  // namespace stargazer
