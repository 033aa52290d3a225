#include "core/timers.h"

#include "core/random.h"
#include "unit/catch.h"
#include "unit/fakes.h"

using namespace std::chrono_literals;
using namespace stargazer;

TEST_CASE("without timers there is nothing to wait for", "[timers]") {
  CHECK(Timers().earliest() == kNever);
  CHECK(Timers().size() == 0);
}

TEST_CASE("the earliest timer comes out first, whole", "[timers]") {
  Timers timers;
  timers.add({at(3s), Timer::Kind::kTaskDue, 30});
  timers.add({at(1s), Timer::Kind::kRunTimeout, 10});
  timers.add({at(2s), Timer::Kind::kStopDeadline, 20});
  CHECK(timers.earliest() == at(1s));
  const Timer first = timers.take();
  CHECK(first.at == at(1s));
  CHECK(first.kind == Timer::Kind::kRunTimeout);
  CHECK(first.number == 10);
  CHECK(timers.take().number == 20);
  CHECK(timers.take().number == 30);
  CHECK(timers.earliest() == kNever);
}

TEST_CASE("equal instants come out in the order in which they were asked for", "[timers]") {
  Timers timers;
  for (std::uint64_t number = 0; number < 100; ++number) timers.add({at(1s), Timer::Kind::kTaskDue, number});
  for (std::uint64_t number = 0; number < 100; ++number) REQUIRE(timers.take().number == number);
}

TEST_CASE("timers come out in order while others are added", "[timers]") {
  Random random(7);
  Timers timers;
  Instant now{};
  std::uint64_t taken = 0;
  for (int round = 0; round < 1000; ++round) {
    // Nothing is ever asked for in the past.
    timers.add({now + random.up_to(10s), Timer::Kind::kTaskDue, 0});
    if (!random.chance(0.5)) continue;
    const Instant next = timers.take().at;
    REQUIRE(next >= now);
    now = next;
    ++taken;
  }
  CHECK(timers.size() == 1000 - taken);
}

TEST_CASE("timers that mean nothing any more are swept out when the queue has doubled", "[timers]") {
  Timers timers;
  std::uint64_t number = 0;
  while (!timers.worth_sweeping()) timers.add({at(1h), Timer::Kind::kRunTimeout, number++});
  const std::size_t full = timers.size();
  timers.sweep([](const Timer& timer) { return timer.number % 100 == 0; });
  CHECK(timers.size() == (full + 99) / 100);
  CHECK_FALSE(timers.worth_sweeping());
  for (std::uint64_t expected = 0; timers.earliest() != kNever; expected += 100) {
    CHECK(timers.take().number == expected);
  }
}
