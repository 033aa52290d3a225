#include "core/random.h"

#include <cassert>

namespace stargazer {

std::uint64_t Random::next() {
  state_ += 0x9e3779b97f4a7c15ULL;
  std::uint64_t mixed = state_;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
  return mixed ^ (mixed >> 31);
}

std::uint64_t Random::below(std::uint64_t bound) {
  assert(bound > 0);
  // The bias of the remainder is bound / 2^64: under one in a million for a jitter of five hours.
  return next() % bound;
}

double Random::fraction() {
  return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

bool Random::chance(double probability) {
  return fraction() < probability;
}

Duration Random::up_to(Duration limit) {
  assert(limit >= Duration::zero());
  return Duration(static_cast<Duration::rep>(below(static_cast<std::uint64_t>(limit.count()) + 1)));
}

}  // namespace stargazer
