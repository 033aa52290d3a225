// Which processes are kept between runs, and when each of them has to go: the decisions about warm workers. What they
// are about, starting and ending processes, is lib/io/warm_workers.h.
//
//              run ends and its verdict is to keep it             next run of its key, in the same term
//   busy ───────────────────────────────────────────────► idle ─────────────────────────────────────────► busy
//    │                                                     │
//    └─ any other verdict ─► ended                         └─ idle too long, no room, another term, dead ─► ended
//
// A process is kept only when nothing about it is in doubt: what would be found out later would cost a run.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "core/time.h"
#include "core/warm_rules.h"

namespace stargazer {

// Why a process is not kept any longer.
enum class WarmEnd : std::uint8_t {
  kMaxRuns,      // it has had warm_max_runs
  kMaxMemory,    // it holds more than warm_max_memory
  kIdleTimeout,  // it had no run for warm_idle_timeout
  kNoRoom,       // there were more than scheduler.max_warm_workers
  kOtherTerm,    // it was started in a term of the lease that is over
  kStopping,     // the scheduler stops
  kStopAsked,    // its run was to be stopped, though it ended by itself
  kLeftBehind,   // its run has left a process behind
  kSpoke,        // it wrote something while it had no run
  kRefused,      // it wrote to its fd 3 what had to be refused
  kUnannounced,  // it carried out a run without saying that it began
  kLimit,        // its run has reached a limit
  kDied,         // it ended by itself, or closed its fd 3
  kDidNotBegin,  // it was given a run and did not begin with it
};
inline constexpr std::size_t kWarmEndCount = 14;

// A few words for a line of the log, such as "it has been idle for its warm_idle_timeout".
const char* text_of(WarmEnd end);
// Whether it is one of the ends that are planned, so that nobody need look into it.
bool is_planned(WarmEnd end);

// What is known of a process when its run has ended well and it has offered to be kept.
struct WarmFacts {
  std::uint32_t run_count = 1;      // that it has carried out
  std::uint64_t memory_bytes = 0;   // resident
  std::uint64_t process_count = 1;  // of the run, itself included
  bool announced = true;            // it said that it began with this run, or did not have to: its first one
  bool stop_asked = false;
  bool spoke = false;          // after its result
  bool refused = false;        // something that it said
  bool limit_reached = false;  // any of core/limits.h
};

// Why such a process is not kept all the same; nothing when it is.
std::optional<WarmEnd> why_not_kept(const WarmRules& rules, const WarmFacts& facts);

// The idle ones.
class WarmPool {
 public:
  // Names a process; chosen by the caller, never used again.
  using ProcessId = std::uint64_t;

  explicit WarmPool(std::uint32_t idle_max) : idle_max_(idle_max) {}

  // Whether anything is ever kept.
  bool keeps() const { return idle_max_ > 0; }

  // The process is idle from now on, for the runs of `key` in the term `epoch` (0 = in none). Answers those that are
  // to be ended for it, the one that has been idle longest first. REQUIRES: it is not idle; `now` never goes back.
  std::vector<ProcessId> park(ProcessId process, const std::string& key, std::uint64_t epoch, Duration idle_timeout,
                              Instant now);

  // The one of `key` that became idle last, so that those that are not needed get to their timeout. Those of another
  // term than `epoch` are taken out and added to `stale`. Nothing when there is none.
  std::optional<ProcessId> take(const std::string& key, std::uint64_t epoch, std::vector<ProcessId>& stale);

  // Takes it out; nothing when it is not idle.
  void remove(ProcessId process);
  // Takes out those that have been idle for too long.
  std::vector<ProcessId> take_expired(Instant now);
  // Takes out those of any term of the lease.
  std::vector<ProcessId> take_of_lease();
  std::vector<ProcessId> take_all();

  // When take_expired has something to do; kNever when there is nothing.
  Instant next_expiry() const;
  std::size_t size() const { return idle_.size(); }

 private:
  struct Idle {
    ProcessId process;
    std::string key;
    std::uint64_t epoch;
    Instant until;
  };

  template <typename Condition>
  std::vector<ProcessId> take_where(Condition condition);

  std::uint32_t idle_max_;
  std::list<Idle> idle_;  // the one that has been idle longest first
};

// The runs of which tasks may share a process: those of one group, else those of one task.
std::string warm_key(const WarmRules& rules, const std::string& task);

}  // namespace stargazer
