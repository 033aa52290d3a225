#include "sim/findings.h"

namespace stargazer::sim {

const char* name_of(Invariant invariant) {
  constexpr std::array<const char*, kInvariantCount> kNames{
      "I1 one active worker set", "I2 dead at the hard kill",    "I3 nothing of an old epoch", "I4 epochs grow",
      "I5 only its own key",      "I6 workers are active again", "I8 requests are bounded",
  };
  return kNames[static_cast<std::size_t>(invariant)];
}

}  // namespace stargazer::sim
