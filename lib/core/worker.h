// What one worker process goes through, from its start until nothing of it is left: one total table of state × event.
//
//                 stop asked            grace over            exit seen
//   running ────────────────► stopping ───────────► killing ──────────► draining ─► finished
//      │                          │                                        ▲
//      └──────────────────────────┴─────────── exit seen ──────────────────┘
//
// A worker is finished when its exit has been seen *and* its channel is closed (DESIGN section 3), whichever comes
// first: a process that closed its output is still running, and one that exited may have left output that nobody has
// read yet. Output that a descendant keeps open after the exit is given up at the drain deadline. Nothing is signalled
// after the exit: there is no entry in the table that could.
#pragma once

#include <cstdint>

#include "core/time.h"

namespace stargazer {

enum class WorkerState : std::uint8_t {
  kRunning,
  kStopping,  // TERM sent, KILL follows at the end of the grace period
  kKilling,   // KILL sent; only the kernel can delay the exit now
  kDraining,  // exited, its output not yet at an end
  kFinished,
};
inline constexpr std::size_t kWorkerStateCount = 5;

enum class WorkerEvent : std::uint8_t {
  kStopAsked,  // the run is to end: timeout, lost lease, shutdown
  kKillAsked,  // the run is to end at once
  kGraceOver,
  kExited,
  kChannelClosed,
  kDrainOver,  // the drain deadline has passed
};
inline constexpr std::size_t kWorkerEventCount = 6;

// What the owner of the worker must do after an event.
enum class WorkerAction : std::uint8_t { kNone, kTerminate, kKill, kStartDraining, kGiveUpOutput, kFinish };

class Worker {
 public:
  // Applies an event and answers what to do about it. Total: an event that means nothing in a state is kNone.
  WorkerAction on(WorkerEvent event);

  WorkerState state() const { return state_; }
  // False once the exit has been seen: from then on the worker must not be signalled.
  bool alive() const { return state_ < WorkerState::kDraining; }
  bool finished() const { return state_ == WorkerState::kFinished; }

 private:
  WorkerState state_ = WorkerState::kRunning;
  bool channel_closed_ = false;
};

}  // namespace stargazer
