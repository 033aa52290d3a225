#include "core/warm_pool.h"

#include <algorithm>
#include <iterator>

namespace stargazer {
namespace {

constexpr std::array<const char*, kWarmEndCount> kTexts{
    "it has had its warm_max_runs",
    "it holds more memory than its warm_max_memory",
    "it was idle for its warm_idle_timeout",
    "there are more than scheduler.max_warm_workers",
    "the term of the lease that it was started in is over",
    "the scheduler is stopping",
    "its run was to be stopped",
    "its run has left a process behind",
    "it wrote something while it had no run",
    "it wrote to its fd 3 what was refused",
    "it did not say that it began with its run",
    "its run has reached a limit",
    "it ended while it had no run",
    "it did not begin with the run that it was given",
};
static_assert(kTexts.size() == static_cast<std::size_t>(WarmEnd::kDidNotBegin) + 1);

}  // namespace

const char* text_of(WarmEnd end) {
  return kTexts[static_cast<std::size_t>(end)];
}

bool is_planned(WarmEnd end) {
  return end <= WarmEnd::kStopAsked;
}

std::optional<WarmEnd> why_not_kept(const WarmRules& rules, const WarmFacts& facts) {
  if (facts.stop_asked) return WarmEnd::kStopAsked;
  if (!facts.announced) return WarmEnd::kUnannounced;
  if (facts.refused) return WarmEnd::kRefused;
  if (facts.process_count > 1) return WarmEnd::kLeftBehind;
  if (facts.spoke) return WarmEnd::kSpoke;
  if (facts.limit_reached) return WarmEnd::kLimit;
  if (rules.memory_max_bytes != 0 && facts.memory_bytes > rules.memory_max_bytes) return WarmEnd::kMaxMemory;
  if (facts.run_count >= rules.runs_max) return WarmEnd::kMaxRuns;
  return std::nullopt;
}

std::vector<WarmPool::ProcessId> WarmPool::park(ProcessId process, const std::string& key, std::uint64_t epoch,
                                                Duration idle_timeout, Instant now) {
  idle_.push_back({process, key, epoch, now + idle_timeout});
  std::vector<ProcessId> too_many;
  while (idle_.size() > idle_max_) {
    too_many.push_back(idle_.front().process);
    idle_.pop_front();
  }
  return too_many;
}

std::optional<WarmPool::ProcessId> WarmPool::take(const std::string& key, std::uint64_t epoch,
                                                  std::vector<ProcessId>& stale) {
  const auto of_another_term = [&](const Idle& idle) { return idle.key == key && idle.epoch != epoch; };
  const std::vector<ProcessId> old = take_where(of_another_term);
  stale.insert(stale.end(), old.begin(), old.end());
  const auto last = std::find_if(idle_.rbegin(), idle_.rend(), [&](const Idle& idle) { return idle.key == key; });
  if (last == idle_.rend()) return std::nullopt;
  const ProcessId process = last->process;
  idle_.erase(std::next(last).base());
  return process;
}

void WarmPool::remove(ProcessId process) {
  take_where([process](const Idle& idle) { return idle.process == process; });
}

std::vector<WarmPool::ProcessId> WarmPool::take_expired(Instant now) {
  return take_where([now](const Idle& idle) { return idle.until <= now; });
}

std::vector<WarmPool::ProcessId> WarmPool::take_of_lease() {
  return take_where([](const Idle& idle) { return idle.epoch != 0; });
}

std::vector<WarmPool::ProcessId> WarmPool::take_all() {
  return take_where([](const Idle&) { return true; });
}

Instant WarmPool::next_expiry() const {
  Instant next = kNever;
  for (const Idle& idle : idle_) next = std::min(next, idle.until);
  return next;
}

template <typename Condition>
std::vector<WarmPool::ProcessId> WarmPool::take_where(Condition condition) {
  std::vector<ProcessId> taken;
  idle_.remove_if([&](const Idle& idle) {
    if (!condition(idle)) return false;
    taken.push_back(idle.process);
    return true;
  });
  return taken;
}

std::string warm_key(const WarmRules& rules, const std::string& task) {
  return rules.group.empty() ? "task " + task : "group " + rules.group;
}

}  // namespace stargazer
