// True time, and the one ordered queue of everything that will happen in it.
//
// Equal instants are served in the order in which they were asked for, so a run depends on nothing but its seed.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/time.h"

namespace stargazer::sim {

// A moment of true time, which no node can read: how long the simulation has been going on.
using TrueTime = Duration;

class Timeline {
 public:
  using Action = std::function<void()>;

  TrueTime now() const { return now_; }

  // Runs `action` at `when`, or next when that has passed. What the action refers to must outlive the timeline.
  void at(TrueTime when, Action action);
  void after(Duration delay, Action action) { at(now_ + delay, std::move(action)); }

  // Serves the earliest action that is due at `limit` or before; false, with now() == limit, when there is none.
  bool serve_next(TrueTime limit);

 private:
  struct Entry {
    TrueTime when;
    std::uint64_t sequence;
    Action action;
  };
  static bool later(const Entry& left, const Entry& right);

  TrueTime now_{};
  std::uint64_t asked_ = 0;
  std::vector<Entry> heap_;
};

}  // namespace stargazer::sim
