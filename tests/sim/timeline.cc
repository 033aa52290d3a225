#include "sim/timeline.h"

#include <algorithm>
#include <utility>

namespace stargazer::sim {

bool Timeline::later(const Entry& left, const Entry& right) {
  return left.when != right.when ? left.when > right.when : left.sequence > right.sequence;
}

void Timeline::at(TrueTime when, Action action) {
  heap_.push_back({std::max(when, now_), ++asked_, std::move(action)});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

bool Timeline::serve_next(TrueTime limit) {
  if (heap_.empty() || heap_.front().when > limit) {
    now_ = std::max(now_, limit);
    return false;
  }
  std::pop_heap(heap_.begin(), heap_.end(), later);
  const Entry next = std::move(heap_.back());
  heap_.pop_back();
  now_ = next.when;
  next.action();
  return true;
}

}  // namespace stargazer::sim
