#include "io/backoff.h"

#include <set>

#include "unit/catch.h"

using namespace std::chrono_literals;
using namespace stargazer;

TEST_CASE("the pause doubles up to its limit, and never leaves the upper half", "[backoff]") {
  Backoff backoff(100ms, 10s, 7);
  for (Duration whole = 100ms; whole < 10s; whole *= 2) {
    const Duration pause = backoff.next();
    CHECK(pause >= whole / 2);
    CHECK(pause <= whole);
  }
  for (int count = 0; count < 1000; ++count) {
    const Duration pause = backoff.next();
    CHECK(pause >= 5s);
    CHECK(pause <= 10s);
  }
  backoff.reset();
  CHECK(backoff.next() <= 100ms);
}

TEST_CASE("two nodes do not come back together", "[backoff]") {
  std::set<Duration> pauses;
  for (std::uint64_t seed = 0; seed < 50; ++seed) pauses.insert(Backoff(10s, 10s, seed).next());
  CHECK(pauses.size() > 45);
}

TEST_CASE("a limit that is no power of two of the start is kept", "[backoff]") {
  Backoff backoff(3ms, 7ms, 1);
  for (int count = 0; count < 100; ++count) CHECK(backoff.next() <= 7ms);
}
