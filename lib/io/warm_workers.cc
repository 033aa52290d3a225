#include "io/warm_workers.h"

#include <algorithm>
#include <optional>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <utility>

#include "io/run_usage.h"

namespace stargazer {
namespace {

// A process with more threads than this is not looked into further.
constexpr std::uint64_t kThreadsLookedAtMax = 10'000;

// Of whatever start: idle times are short, and one that goes on during suspend would gain nothing.
Instant now() {
  return Instant(std::chrono::nanoseconds(uv_hrtime()));
}

// What makes an idle process unfit for a run; nothing when it is fit.
std::optional<WarmEnd> unfit(const WorkerChild& child) {
  if (child.leader_exited || child.channel_watch == nullptr) return WarmEnd::kDied;
  std::array<pollfd, 4> ends{pollfd{child.exit_watch->fd(), POLLIN, 0}, pollfd{child.channel_watch->fd(), POLLIN, 0}};
  for (std::size_t stream = 0; stream < child.output_watch.size(); ++stream) {
    const Watch* const output = child.output_watch[stream];
    ends[2 + stream] = {output == nullptr ? -1 : output->fd(), POLLIN, 0};
  }
  if (poll(ends.data(), ends.size(), 0) <= 0) return std::nullopt;
  if (ends[0].revents != 0 || (ends[1].revents & (POLLHUP | POLLERR)) != 0) return WarmEnd::kDied;
  const bool spoke =
      std::any_of(ends.begin(), ends.end(), [](const pollfd& end) { return (end.revents & POLLIN) != 0; });
  return spoke ? std::optional(WarmEnd::kSpoke) : std::nullopt;
}

// What may still work in the name of a term that is over, or beside the next run, is given no time.
bool is_killed_at_once(const WorkerChild& child, WarmEnd why) {
  const bool of_lease_that_ends = child.epoch != 0 && (why == WarmEnd::kOtherTerm || why == WarmEnd::kStopping);
  return of_lease_that_ends || why == WarmEnd::kLeftBehind;
}

}  // namespace

bool has_said_more(const WorkerChild& child) {
  const std::array<const Watch*, 3> ends{child.channel_watch, child.output_watch[0], child.output_watch[1]};
  return std::any_of(ends.begin(), ends.end(), [](const Watch* end) {
    int bytes = 0;
    return end != nullptr && ioctl(end->fd(), FIONREAD, &bytes) == 0 && bytes > 0;
  });
}

WarmFacts warm_facts(const WorkerChild& child, bool writes_on, const std::function<bool(pid_t)>& is_other) {
  const RunUsage usage = usage_of(child.pid, child.started_for_text, kThreadsLookedAtMax, is_other);
  return {.run_count = child.run_count,
          .memory_bytes = usage.memory_bytes,
          .process_count = usage.process_count,
          .announced = child.run_count == 1 || child.offer->announced,
          .stop_asked = child.stop_asked,
          .spoke = writes_on || child.said_more || child.requests->in_line(),
          .refused = child.offer->refused};
}

std::string warm_end_line(const WarmEnded& ended) {
  return ended.task + ": its warm worker (process " + std::to_string(ended.pid) + ") is ended: " + text_of(ended.why);
}

std::string warm_tally_line(const WarmTally& tally) {
  std::string ends;
  for (std::size_t end = 0; end < kWarmEndCount; ++end) {
    if (tally.ended_counts[end] == 0) continue;
    ends += (ends.empty() ? "" : "; ") + std::to_string(tally.ended_counts[end]) +
            " ended: " + text_of(static_cast<WarmEnd>(end));
  }
  if (tally.reused_count == 0 && ends.empty()) return "";
  std::string line = "warm workers: " + std::to_string(tally.reused_count) + " runs in kept processes";
  if (tally.begun_again_count > 0)
    line += ", " + std::to_string(tally.begun_again_count) + " of them started again in another";
  return ends.empty() ? line : line + "; " + ends;
}

WarmWorkers::WarmWorkers(uv_loop_t* loop, std::uint32_t idle_max, Callbacks callbacks)
    : pool_(idle_max), callbacks_(std::move(callbacks)) {
  uv_timer_init(loop, &timer_);
  timer_.data = this;
}

WorkerChild* WarmWorkers::take(const SpawnRequest& request) {
  const std::string key = warm_key(*request.warm, request.name);
  std::vector<WarmPool::ProcessId> stale;
  WorkerChild* fit = nullptr;
  while (fit == nullptr) {
    const std::optional<WarmPool::ProcessId> process = pool_.take(key, request.epoch, stale);
    if (!process) break;
    WorkerChild& child = *idle_.at(*process);
    idle_.erase(*process);
    if (const std::optional<WarmEnd> why = unfit(child)) {
      let_leave(child, *why);
    } else {
      fit = &child;
    }
  }
  end(stale, WarmEnd::kOtherTerm);
  arm();
  return fit;
}

void WarmWorkers::settle(WorkerChild& child, const WarmFacts& facts) {
  std::optional<WarmEnd> why = why_not_kept(*child.warm, facts);
  if (stopping_) why = WarmEnd::kStopping;
  if (why) return let_leave(child, *why);
  child.stage = WorkerChild::Stage::kIdle;
  child.unasked_bytes = 0;
  idle_[child.number] = &child;
  end(pool_.park(child.number, child.warm_key, child.epoch, child.warm->idle_timeout, now()), WarmEnd::kNoRoom);
  arm();
}

void WarmWorkers::let_leave(WorkerChild& child, WarmEnd why) {
  pool_.remove(child.number);
  idle_.erase(child.number);
  child.stage = WorkerChild::Stage::kLeaving;
  tell_end(child, why);
  if (!child.leader_exited) show_out(child, why);
  arm();
}

void WarmWorkers::show_out(WorkerChild& child, WarmEnd why) {
  if (is_killed_at_once(child, why)) return callbacks_.kill(child);
  if (child.channel_watch != nullptr) shutdown(child.channel_watch->fd(), SHUT_WR);
  if (why != WarmEnd::kStopping) return set_deadline(child, now() + kLeaveTimeout, Step::kTerminate);
  callbacks_.terminate(child);
  set_deadline(child, now() + kTermTimeout, Step::kKill);
}

void WarmWorkers::tell_end(const WorkerChild& child, WarmEnd why) {
  ++tally_.ended_counts[static_cast<std::size_t>(why)];
  callbacks_.ended({child.name, child.pid, why});
}

void WarmWorkers::await_begin(WorkerChild& child) {
  ++tally_.reused_count;
  set_deadline(child, now() + kBeginTimeout, Step::kBegin);
  arm();
}

void WarmWorkers::begun(WorkerChild& child) {
  deadlines_.erase(child.number);
  arm();
}

void WarmWorkers::begins_again(WorkerChild& child) {
  ++tally_.begun_again_count;
  tell_end(child, WarmEnd::kDidNotBegin);
}

void WarmWorkers::exited(WorkerChild& child) {
  deadlines_.erase(child.number);
  arm();
}

void WarmWorkers::end_all() {
  stopping_ = true;
  end(pool_.take_all(), WarmEnd::kStopping);
}

void WarmWorkers::end_of_lease() {
  end(pool_.take_of_lease(), WarmEnd::kOtherTerm);
}

void WarmWorkers::end(const std::vector<WarmPool::ProcessId>& processes, WarmEnd why) {
  for (const WarmPool::ProcessId process : processes) let_leave(*idle_.at(process), why);
}

void WarmWorkers::set_deadline(WorkerChild& child, Instant at, Step next) {
  deadlines_.insert_or_assign(child.number, Deadline{at, next, &child});
}

void WarmWorkers::on_time() {
  const Instant time = now();
  end(pool_.take_expired(time), WarmEnd::kIdleTimeout);
  std::vector<Deadline> due;
  std::erase_if(deadlines_, [&](const auto& entry) {
    if (entry.second.at > time) return false;
    due.push_back(entry.second);
    return true;
  });
  for (const Deadline& deadline : due) act(deadline, time);
  arm();
}

void WarmWorkers::act(const Deadline& due, Instant time) {
  switch (due.next) {
    // Its exit makes the run begin again. One that says something at this very moment has begun, and its run fails.
    case Step::kBegin:
      if (!has_said_more(*due.child)) callbacks_.kill(*due.child);
      break;
    case Step::kKill: callbacks_.kill(*due.child); break;
    case Step::kTerminate:
      callbacks_.terminate(*due.child);
      set_deadline(*due.child, time + kTermTimeout, Step::kKill);
      break;
  }
}

// Asked often and seldom later than before: a timer that comes too early finds nothing to do, and is armed anew.
void WarmWorkers::arm() {
  Instant next = pool_.next_expiry();
  for (const auto& [number, deadline] : deadlines_) next = std::min(next, deadline.at);
  if (next == kNever) {
    uv_timer_stop(&timer_);
    return;
  }
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(std::max(next - now(), Duration::zero()));
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<WarmWorkers*>(timer->data)->on_time(); },
      static_cast<std::uint64_t>(wait.count()), 0);
}

void WarmWorkers::close() {
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
}

}  // namespace stargazer
