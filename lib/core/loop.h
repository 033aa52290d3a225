// The loop of one periodic task (SPEC section 2.3): wait, run, wait for the interval from the *end* of the run.
//
//   idle ─ start ─► waiting ─ its time has come ─► due ─ run started ─► running ─ run ended ─► waiting
//                      ▲                            │
//                      └─────────── postponed ──────┘
//
// There is one run at most, because the next wait begins only when it has ended. `due` is a state of its own: a gate or
// a full pool may hold the task back there for as long as it likes. stop() leads to idle from everywhere but `running`,
// whose run is still to end.
#pragma once

#include <cassert>
#include <cstdint>

#include "core/event.h"
#include "core/time.h"

namespace stargazer {

class Loop {
 public:
  enum class State : std::uint8_t { kIdle, kWaiting, kDue, kRunning };

  State state() const { return state_; }
  // When the task is, or was, to run. REQUIRES: waiting or due.
  Instant due() const {
    assert(state_ == State::kWaiting || state_ == State::kDue);
    return due_;
  }
  // REQUIRES: running.
  RunId run() const {
    assert(state_ == State::kRunning);
    return run_;
  }

  void wait_until(Instant due) {
    assert(state_ == State::kIdle);
    state_ = State::kWaiting;
    due_ = due;
  }
  // Waits again, for longer than it thought. REQUIRES: waiting or due.
  void postpone(Instant due) {
    assert(state_ == State::kWaiting || state_ == State::kDue);
    state_ = State::kWaiting;
    due_ = due;
  }
  void become_due() {
    assert(state_ == State::kWaiting);
    state_ = State::kDue;
  }
  void run_started(RunId run) {
    assert(state_ == State::kDue);
    state_ = State::kRunning;
    run_ = run;
  }
  // Back to idle; wait_until begins the next wait, unless the scheduler is stopping.
  void run_ended() {
    assert(state_ == State::kRunning);
    state_ = State::kIdle;
  }
  void stop() {
    if (state_ != State::kRunning) state_ = State::kIdle;
  }

 private:
  State state_ = State::kIdle;
  Instant due_{};
  RunId run_;
};

}  // namespace stargazer
