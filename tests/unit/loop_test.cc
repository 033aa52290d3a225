#include "core/loop.h"

#include "unit/catch.h"
#include "unit/fakes.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

Loop loop_in(Loop::State state) {
  Loop loop;
  if (state >= Loop::State::kWaiting) loop.wait_until(at(5s));
  if (state >= Loop::State::kDue) loop.become_due();
  if (state >= Loop::State::kRunning) loop.run_started({7});
  return loop;
}

}  // namespace

TEST_CASE("a loop goes round: idle, waiting, due, running, idle", "[loop]") {
  Loop loop;
  CHECK(loop.state() == Loop::State::kIdle);
  loop.wait_until(at(5s));
  CHECK(loop.state() == Loop::State::kWaiting);
  CHECK(loop.due() == at(5s));
  loop.become_due();
  CHECK(loop.state() == Loop::State::kDue);
  CHECK(loop.due() == at(5s));
  loop.run_started({7});
  CHECK(loop.state() == Loop::State::kRunning);
  CHECK(loop.run() == RunId{7});
  loop.run_ended();
  CHECK(loop.state() == Loop::State::kIdle);
  loop.wait_until(at(9s));
  CHECK(loop.due() == at(9s));
}

TEST_CASE("a stop leads to idle from everywhere but running", "[loop]") {
  const auto [before, after] = GENERATE(table<Loop::State, Loop::State>({
      {Loop::State::kIdle, Loop::State::kIdle},
      {Loop::State::kWaiting, Loop::State::kIdle},
      {Loop::State::kDue, Loop::State::kIdle},
      {Loop::State::kRunning, Loop::State::kRunning},
  }));
  Loop loop = loop_in(before);
  REQUIRE(loop.state() == before);
  loop.stop();
  CHECK(loop.state() == after);
}
