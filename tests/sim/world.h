// What all fakes of one run share.
#pragma once

#include "core/random.h"
#include "sim/findings.h"
#include "sim/options.h"
#include "sim/timeline.h"
#include "sim/trace.h"

namespace stargazer::sim {

struct World {
  World(std::uint64_t seed, const Broken& wrong, Trace::Sink sink)
      : random(seed), broken(wrong), trace(timeline, std::move(sink)), verdict(timeline), findings(verdict) {
    if (broken.only_count) findings.only_count();
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Writes a line of the transcript, if there is one. `what` is a function, called only then.
  template <typename What>
  void tell(const std::string& who, const What& what) const {
    if (trace.on()) trace.line(who, what());
  }

  Timeline timeline;
  Random random;
  Broken broken;
  Trace trace;
  Verdict verdict;
  Findings findings;
};

}  // namespace stargazer::sim
