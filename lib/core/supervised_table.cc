#include "core/supervised_table.h"

#include <algorithm>

namespace stargazer {

void SupervisedTable::lease_gained(Instant now) {
  for (Entry& entry : entries_) entry.next_start = entry.run ? kNever : now;
}

std::optional<std::uint32_t> SupervisedTable::startable(Instant now) const {
  for (std::uint32_t index = 0; index < entries_.size(); ++index) {
    const Entry& entry = entries_[index];
    if (planned_[index].scheduled && !entry.run && entry.next_start <= now) return index;
  }
  return std::nullopt;
}

void SupervisedTable::run_started(std::uint32_t index, RunId run) {
  Entry& entry = entries_[index];
  ++entry.run_count;
  entry.run = run;
  entry.next_start = kNever;
}

Duration SupervisedTable::run_ended(std::uint32_t index, Outcome outcome, Duration lasted, Instant now,
                                    Random& random) {
  Entry& entry = entries_[index];
  entry.run.reset();
  entry.next_start = now;
  if (outcome == Outcome::kCancelled) return Duration::zero();
  const bool crashed = outcome == Outcome::kFailed || outcome == Outcome::kSpawnFailed;
  if (crashed) ++entry.failure_count;
  const Duration pause = entry.restart.pause_after(crashed, lasted, random);
  entry.next_start = now + pause;
  timers_.add({entry.next_start, Timer::Kind::kWorkerRestart, index});
  return pause;
}

std::string SupervisedTable::why(std::uint32_t index, Instant now) const {
  return "waits, next start in " + approximate_duration(std::max(entries_[index].next_start, now) - now);
}

}  // namespace stargazer
