#include "core/worker.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/random.h"
#include "unit/catch.h"

using namespace stargazer;

namespace {

using State = WorkerState;
using Event = WorkerEvent;
using Action = WorkerAction;

constexpr std::array kEvents{Event::kStopAsked, Event::kKillAsked,     Event::kGraceOver,
                             Event::kExited,    Event::kChannelClosed, Event::kDrainOver};
static_assert(kEvents.size() == kWorkerEventCount);

// Every situation that a worker can be in, and what leads to it.
struct Situation {
  State state;
  bool channel_closed;
  std::vector<Event> history;
};

const std::vector<Situation>& situations() {
  static const std::vector<Situation> all{
      {State::kRunning, false, {}},
      {State::kRunning, true, {Event::kChannelClosed}},
      {State::kStopping, false, {Event::kStopAsked}},
      {State::kStopping, true, {Event::kStopAsked, Event::kChannelClosed}},
      {State::kKilling, false, {Event::kKillAsked}},
      {State::kKilling, true, {Event::kStopAsked, Event::kGraceOver, Event::kChannelClosed}},
      {State::kDraining, false, {Event::kExited}},
      {State::kFinished, true, {Event::kExited, Event::kChannelClosed}},
      {State::kFinished, true, {Event::kChannelClosed, Event::kExited}},
  };
  return all;
}

// The picture and the prose of core/worker.h, line by line. What is not listed means nothing.
struct Meaning {
  State from;
  bool channel_closed;
  Event event;
  State to;
  Action action;
};

constexpr std::array kMeanings{
    Meaning{State::kRunning, false, Event::kStopAsked, State::kStopping, Action::kTerminate},
    Meaning{State::kRunning, true, Event::kStopAsked, State::kStopping, Action::kTerminate},
    Meaning{State::kRunning, false, Event::kKillAsked, State::kKilling, Action::kKill},
    Meaning{State::kRunning, true, Event::kKillAsked, State::kKilling, Action::kKill},
    Meaning{State::kStopping, false, Event::kKillAsked, State::kKilling, Action::kKill},
    Meaning{State::kStopping, true, Event::kKillAsked, State::kKilling, Action::kKill},
    Meaning{State::kStopping, false, Event::kGraceOver, State::kKilling, Action::kKill},
    Meaning{State::kStopping, true, Event::kGraceOver, State::kKilling, Action::kKill},
    Meaning{State::kRunning, false, Event::kExited, State::kDraining, Action::kStartDraining},
    Meaning{State::kStopping, false, Event::kExited, State::kDraining, Action::kStartDraining},
    Meaning{State::kKilling, false, Event::kExited, State::kDraining, Action::kStartDraining},
    Meaning{State::kRunning, true, Event::kExited, State::kFinished, Action::kFinish},
    Meaning{State::kStopping, true, Event::kExited, State::kFinished, Action::kFinish},
    Meaning{State::kKilling, true, Event::kExited, State::kFinished, Action::kFinish},
    Meaning{State::kDraining, false, Event::kChannelClosed, State::kFinished, Action::kFinish},
    Meaning{State::kDraining, false, Event::kDrainOver, State::kDraining, Action::kGiveUpOutput},
};

Meaning meaning_of(const Situation& situation, Event event) {
  const auto* found = std::find_if(kMeanings.begin(), kMeanings.end(), [&](const Meaning& meaning) {
    return meaning.from == situation.state && meaning.channel_closed == situation.channel_closed &&
           meaning.event == event;
  });
  if (found != kMeanings.end()) return *found;
  return {situation.state, situation.channel_closed, event, situation.state, Action::kNone};
}

Worker worker_in(const Situation& situation) {
  Worker worker;
  for (const Event event : situation.history) worker.on(event);
  return worker;
}

}  // namespace

TEST_CASE("every event has its meaning in every situation", "[worker]") {
  for (const Situation& situation : situations()) {
    for (const Event event : kEvents) {
      Worker worker = worker_in(situation);
      REQUIRE(worker.state() == situation.state);
      const Meaning expected = meaning_of(situation, event);
      INFO("state " << static_cast<int>(situation.state) << " channel closed " << situation.channel_closed << " event "
                    << static_cast<int>(event));
      CHECK(worker.on(event) == expected.action);
      CHECK(worker.state() == expected.to);
    }
  }
}

TEST_CASE("a worker is alive until its exit is seen", "[worker]") {
  for (const Situation& situation : situations()) {
    const Worker worker = worker_in(situation);
    CHECK(worker.alive() == (situation.state < State::kDraining));
    CHECK(worker.finished() == (situation.state == State::kFinished));
  }
}

TEST_CASE("whatever happens: nothing is signalled after the exit, and the end comes once", "[worker]") {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    Random random(seed);
    Worker worker;
    bool exited = false;
    bool closed = false;
    int ends = 0;
    for (int i = 0; i < 30; ++i) {
      const Event event = kEvents.at(random.below(kEvents.size()));
      const Action action = worker.on(event);
      exited = exited || event == Event::kExited;
      closed = closed || event == Event::kChannelClosed;
      INFO("seed " << seed << " step " << i);
      if (exited) REQUIRE((action != Action::kTerminate && action != Action::kKill));
      if (action == Action::kFinish) ++ends;
      REQUIRE(worker.finished() == (exited && closed));
      REQUIRE(ends == (exited && closed ? 1 : 0));
    }
  }
}
