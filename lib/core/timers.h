// What must happen when: an ordered queue of (instant, what), the earliest first, equal instants in the order in which
// they were asked for.
//
// Nothing is cancelled. Whoever takes a timer out looks whether it still means something (is the task waiting for this
// very instant? is the run still there?) and ignores it otherwise, which is cheaper than finding it here. So that a
// million short runs with an hour's timeout do not leave a million timers behind, those that mean nothing any more are
// swept out whenever the queue has doubled.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/time.h"

namespace stargazer {

struct Timer {
  enum class Kind : std::uint8_t {
    kTaskDue,        // number: the task's index
    kWorkerRestart,  // number: the supervised worker's index
    kRunTimeout,     // number: the run's
    kRunGraceOver,
    kRunDrainOver,
    kStopDeadline,  // the last moment at which every worker is killed
    kStopOverdue,   // stopping has failed to end in time
  };

  Instant at{};
  Kind kind{};
  std::uint64_t number = 0;
};

class Timers {
 public:
  void add(const Timer& timer) {
    heap_.push_back({timer, next_sequence_++});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }

  // kNever when there is none.
  Instant earliest() const { return heap_.empty() ? kNever : heap_.front().timer.at; }

  // Takes out the earliest. REQUIRES: earliest() != kNever.
  Timer take() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Timer timer = heap_.back().timer;
    heap_.pop_back();
    return timer;
  }

  // True when the queue has doubled since the last sweep.
  bool worth_sweeping() const { return heap_.size() > 2 * swept_size_ + kSweepSizeMin; }
  // Drops every timer of which `means_something` says no. The order of the others stays.
  template <typename Predicate>
  void sweep(const Predicate& means_something) {
    std::erase_if(heap_, [&](const Entry& entry) { return !means_something(entry.timer); });
    std::make_heap(heap_.begin(), heap_.end(), later);
    swept_size_ = heap_.size();
  }

  std::size_t size() const { return heap_.size(); }
  void reserve(std::size_t count) { heap_.reserve(count); }

 private:
  struct Entry {
    Timer timer;
    std::uint64_t sequence;
  };

  static bool later(const Entry& a, const Entry& b) {
    return a.timer.at != b.timer.at ? a.timer.at > b.timer.at : a.sequence > b.sequence;
  }

  static constexpr std::size_t kSweepSizeMin = 1024;

  std::vector<Entry> heap_;
  std::size_t swept_size_ = 0;
  std::uint64_t next_sequence_ = 0;
};

}  // namespace stargazer
