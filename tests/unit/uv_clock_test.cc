#include "io/uv_clock.h"

#include <ctime>

#include "unit/catch.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

class ClockFixture {
 public:
  ClockFixture() {
    REQUIRE(uv_loop_init(&loop_) == 0);
    auto created = UvClock::create(&loop_, [this] { ++wakes; });
    REQUIRE(created.ok());
    clock = std::move(created).value();
  }
  ~ClockFixture() {
    clock->close();
    clock->close();
    uv_run(&loop_, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop_) == 0);
  }
  ClockFixture(const ClockFixture&) = delete;
  ClockFixture& operator=(const ClockFixture&) = delete;

  // Waits for as many wakes in all.
  void run_until(int count) {
    while (wakes < count) uv_run(&loop_, UV_RUN_ONCE);
  }
  // Handles what is there without waiting.
  void run_ready() { uv_run(&loop_, UV_RUN_NOWAIT); }

  int wakes = 0;
  std::unique_ptr<UvClock> clock;

 private:
  uv_loop_t loop_{};
};

Instant boot_time() {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return Instant(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

}  // namespace

TEST_CASE("now is the time since boot at the last refresh", "[uv_clock]") {
  const Instant before = boot_time();
  ClockFixture fixture;
  const Instant first = fixture.clock->now();
  CHECK(first >= before);
  CHECK(first <= boot_time());
  while (boot_time() == first) {
  }
  CHECK(fixture.clock->now() == first);
  fixture.clock->refresh();
  CHECK(fixture.clock->now() > first);
  CHECK(fixture.clock->now() <= boot_time());
}

TEST_CASE("a moment that has come or passed wakes at once, and once", "[uv_clock]") {
  ClockFixture fixture;
  const Instant moment = GENERATE(as<Instant>{}, Instant(), Instant() - 5s, Instant(1ns), Instant(10s), boot_time());
  fixture.clock->wake_at(moment);
  fixture.run_until(1);
  fixture.run_ready();
  CHECK(fixture.wakes == 1);
  // The same wish again is a new one, since the first has been fulfilled.
  fixture.clock->wake_at(moment);
  fixture.run_until(2);
}

TEST_CASE("a future moment wakes when it has come, not before", "[uv_clock]") {
  ClockFixture fixture;
  const Instant moment = fixture.clock->now() + 30ms;
  fixture.clock->wake_at(moment);
  fixture.run_until(1);
  fixture.clock->refresh();
  CHECK(fixture.clock->now() >= moment);
}

TEST_CASE("a later wish replaces the one before", "[uv_clock]") {
  ClockFixture fixture;
  fixture.clock->wake_at(fixture.clock->now() + 1h);
  fixture.clock->wake_at(fixture.clock->now() + 20ms);
  fixture.run_until(1);

  const Instant early = boot_time() + 20ms;
  fixture.clock->wake_at(early);
  fixture.clock->wake_at(early + 30ms);
  fixture.run_until(2);
  CHECK(boot_time() >= early + 30ms);
}

TEST_CASE("never takes the wish back, even one that is due", "[uv_clock]") {
  ClockFixture fixture;
  fixture.clock->wake_at(Instant());
  fixture.clock->wake_at(kNever);
  fixture.run_ready();
  CHECK(fixture.wakes == 0);
  fixture.clock->wake_at(Instant());
  fixture.run_until(1);
}

TEST_CASE("wall time is the host's, to the microsecond", "[uv_clock]") {
  ClockFixture fixture;
  const auto before = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  const WallTime now = fixture.clock->wall_now();
  CHECK(now >= before);
  CHECK(now <= std::chrono::system_clock::now());
}
