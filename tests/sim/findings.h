// What the rules that concern the whole cluster have found: the invariants of LEASE.md section 3.9. With every rule of
// the lease on, the first finding is a violation; with one switched off they are counted, because then it is the
// simulator itself that is being examined.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "sim/trace.h"

namespace stargazer::sim {

enum class Invariant : std::uint8_t {
  kOneActiveSet,  // I1
  kDeadAtKill,    // I2
  kFenced,        // I3
  kEpochsGrow,    // I4
  kOwnKeyOnly,    // I5
  kRecovers,      // I6, I7
  kRequestRate,   // I8
};
inline constexpr std::size_t kInvariantCount = 7;

// "I1 one active worker set", …
const char* name_of(Invariant invariant);

class Findings {
 public:
  explicit Findings(Verdict& verdict) : verdict_(verdict) {}

  // From now on findings are counted and the run goes on; what a single node is found to do wrong is not judged.
  void only_count() {
    counting_ = true;
    verdict_.mute();
  }

  void found(Invariant invariant, const std::string& who, const std::string& what) {
    ++counts_[static_cast<std::size_t>(invariant)];
    if (!counting_) verdict_.violated(who, std::string(name_of(invariant)) + ": " + what);
  }
  std::uint64_t count(Invariant invariant) const { return counts_[static_cast<std::size_t>(invariant)]; }

 private:
  Verdict& verdict_;
  bool counting_ = false;
  std::array<std::uint64_t, kInvariantCount> counts_{};
};

}  // namespace stargazer::sim
