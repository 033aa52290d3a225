#include "core/random.h"

#include <array>

#include "unit/catch.h"

using namespace std::chrono_literals;
using namespace stargazer;

TEST_CASE("one seed gives one sequence, SplitMix64's own", "[random]") {
  // The first numbers of the reference implementation for seed 1234567.
  Random random(1234567);
  CHECK(random.next() == 6457827717110365317ULL);
  CHECK(random.next() == 3203168211198807973ULL);
  CHECK(random.next() == 9817491932198370423ULL);
}

TEST_CASE("different seeds give different sequences", "[random]") {
  CHECK(Random(1).next() != Random(2).next());
}

TEST_CASE("below stays under its bound and reaches every number", "[random]") {
  Random random(1);
  std::array<int, 6> seen{};
  for (int i = 0; i < 6000; ++i) ++seen.at(random.below(6));
  for (const int count : seen) CHECK((count > 800 && count < 1200));
  CHECK(random.below(1) == 0);
}

TEST_CASE("a fraction is at least 0 and less than 1", "[random]") {
  Random random(1);
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double fraction = random.fraction();
    REQUIRE((fraction >= 0.0 && fraction < 1.0));
    sum += fraction;
  }
  CHECK((sum > 4800 && sum < 5200));
}

TEST_CASE("a probability of 0 or less never comes true, one of 1 or more always", "[random]") {
  Random random(1);
  for (int i = 0; i < 100; ++i) {
    REQUIRE_FALSE(random.chance(0.0));
    REQUIRE_FALSE(random.chance(-1.0));
    REQUIRE(random.chance(1.0));
    REQUIRE(random.chance(2.0));
  }
}

TEST_CASE("up_to includes both ends", "[random]") {
  Random random(1);
  bool zero = false;
  bool limit = false;
  for (int i = 0; i < 200; ++i) {
    const Duration drawn = random.up_to(2ns);
    REQUIRE((drawn >= 0ns && drawn <= 2ns));
    zero = zero || drawn == 0ns;
    limit = limit || drawn == 2ns;
  }
  CHECK(zero);
  CHECK(limit);
  CHECK(random.up_to(0ns) == 0ns);
  CHECK(random.up_to(kDurationMax) <= kDurationMax);
}
