#include "core/restart.h"

#include <vector>

#include "unit/catch.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

// Up to a tenth is added at random.
void check_about(Duration pause, Duration base) {
  CHECK(pause >= base);
  CHECK(pause <= base + base / 10);
}

constexpr bool kCrashed = true;
constexpr bool kCleanReturn = false;

}  // namespace

TEST_CASE("after a clean return a worker starts again in 5 s", "[restart]") {
  Random random(1);
  RestartPolicy policy;
  check_about(policy.pause_after(kCleanReturn, 1s, random), 5s);
  check_about(policy.pause_after(kCleanReturn, 0s, random), 5s);
}

TEST_CASE("crashes in a row double the pause from 1 s to 60 s", "[restart]") {
  Random random(1);
  RestartPolicy policy;
  for (const Duration expected : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s, 60s}) {
    check_about(policy.pause_after(kCrashed, 1s, random), expected);
  }
}

TEST_CASE("the back-off begins anew after", "[restart]") {
  Random random(1);
  RestartPolicy policy;
  for (int i = 0; i < 4; ++i) policy.pause_after(kCrashed, 1s, random);
  SECTION("a clean return") {
    policy.pause_after(kCleanReturn, 1s, random);
    check_about(policy.pause_after(kCrashed, 1s, random), 1s);
  }
  SECTION("a run of more than 60 s, even if it crashed") {
    check_about(policy.pause_after(kCrashed, 60s + 1ns, random), 1s);
    check_about(policy.pause_after(kCrashed, 1s, random), 2s);
  }
  SECTION("but not a run of just 60 s") {
    check_about(policy.pause_after(kCrashed, 60s, random), 16s);
  }
}

TEST_CASE("workers that crash together do not come back together", "[restart]") {
  std::vector<Duration> pauses;
  Random random(1);
  for (int worker = 0; worker < 5; ++worker) pauses.push_back(RestartPolicy().pause_after(kCrashed, 1s, random));
  for (std::size_t i = 1; i < pauses.size(); ++i) CHECK(pauses[i] != pauses[i - 1]);
}
