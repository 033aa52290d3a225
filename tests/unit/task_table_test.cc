#include "core/task_table.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "unit/catch.h"
#include "unit/fakes.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

using Indices = std::vector<std::uint32_t>;

PlannedTask task(const std::function<void(TaskConfig&)>& adjust = [](TaskConfig&) {}) {
  PlannedTask planned;
  planned.config.name = "task";
  planned.config.interval = 60s;
  adjust(planned.config);
  planned.scheduled = true;
  return planned;
}

PlannedTask in_pool(const std::string& pool, Duration initial_delay = 0s) {
  return task([&](TaskConfig& config) {
    config.pool = pool;
    config.initial_delay = initial_delay;
  });
}

PlannedTask after(Duration initial_delay) {
  return in_pool("", initial_delay);
}

PlannedTask needing_kg(Duration initial_delay = 0s) {
  PlannedTask planned = after(initial_delay);
  planned.config.dependencies.insert(Dependency::kKg);
  return planned;
}

// A table over the given tasks. Two places over all; the pools "llm" and "io" have one each.
class Bench {
 public:
  explicit Bench(std::vector<PlannedTask> planned) : tasks(std::move(planned)) {}

  Indices begin(const std::map<std::string, WallTime>& last_ends = {}) {
    return table.start(last_ends, at(0s), wall_now, random);
  }
  // Lets every wait end that is over by `now`.
  void pass_until(Duration now) {
    while (timers.earliest() <= at(now)) {
      const Timer timer = timers.take();
      REQUIRE(timer.kind == Timer::Kind::kTaskDue);
      table.on_due(static_cast<std::uint32_t>(timer.number), timer.at);
    }
  }
  // Starts whatever may start, and answers what that was.
  Indices start_all() {
    Indices started;
    while (const std::optional<std::uint32_t> index = table.take_startable()) {
      table.run_started(*index, {++last_run_});
      permits_[*index] = pools.take(table.pool(*index));
      REQUIRE(permits_[*index].has_value());
      started.push_back(*index);
    }
    return started;
  }
  std::optional<Duration> end(std::uint32_t index, Duration now, bool failed = false) {
    return end_with(failed ? Outcome::kFailed : Outcome::kOk, index, now);
  }
  std::optional<Duration> end_with(Outcome outcome, std::uint32_t index, Duration now) {
    permits_.erase(index);
    return table.run_ended(index, outcome, "", at(now), random);
  }

  const std::vector<PlannedTask> tasks;
  const WallTime wall_now{std::chrono::hours(500'000)};
  Gates gates;
  Pools pools{2, {{"llm", {1}}, {"io", {1}}}};
  Timers timers;
  Random random{1};
  TaskTable table{tasks, gates, pools, timers};

 private:
  std::map<std::uint32_t, std::optional<Permit>> permits_;
  std::uint64_t last_run_ = 0;
};

}  // namespace

TEST_CASE("a task runs after its initial delay and then an interval after each end", "[task_table]") {
  Bench bench({after(10s)});
  bench.begin();
  CHECK(bench.timers.earliest() == at(10s));
  bench.pass_until(10s - 1ns);
  CHECK(bench.start_all().empty());
  bench.pass_until(10s);
  CHECK(bench.start_all() == Indices{0});
  CHECK(bench.table.running(0));
  CHECK(bench.table.run(0) == RunId{1});

  bench.end(0, 100s);  // it took longer than its interval: no run is owed
  CHECK_FALSE(bench.table.running(0));
  CHECK(bench.timers.earliest() == at(160s));
  bench.pass_until(160s);
  CHECK(bench.start_all() == Indices{0});
  CHECK(bench.table.run_count(0) == 2);
}

TEST_CASE("a failed run is counted and never ends the loop", "[task_table]") {
  Bench bench({after(0s)});
  bench.begin();
  for (std::uint64_t round = 1; round <= 3; ++round) {
    bench.pass_until(round * 100s);
    CHECK(bench.start_all() == Indices{0});
    bench.end(0, round * 100s, round != 2);
    CHECK(bench.table.run_count(0) == round);
  }
  CHECK(bench.table.failure_count(0) == 2);
}

namespace {

PlannedTask retried(std::uint32_t retries, Duration backoff, Duration initial_delay = 0s) {
  return task([&](TaskConfig& config) {
    config.retries = retries;
    config.retry_backoff = backoff;
    config.initial_delay = initial_delay;
  });
}

}  // namespace

TEST_CASE("attempts end with the first success or with the last of them, and then the interval counts",
          "[task_table]") {
  Bench bench({retried(2, 10s)});
  bench.begin();
  Duration now = 0s;
  const auto run = [&](Outcome outcome) {
    bench.pass_until(now);
    REQUIRE(bench.start_all() == Indices{0});
    now += 1s;
    return bench.end_with(outcome, 0, now);
  };
  const auto failure = GENERATE(Outcome::kFailed, Outcome::kTimedOut, Outcome::kSpawnFailed);
  CHECK(run(failure) == 10s);
  CHECK(bench.table.attempt(0) == 2);
  CHECK(bench.timers.earliest() == at(now + 10s));
  now += 10s;
  CHECK(run(failure) == 20s);
  CHECK(bench.table.attempt(0) == 3);
  now += 20s;
  const auto last = GENERATE(Outcome::kFailed, Outcome::kOk, Outcome::kSkipped, Outcome::kCancelled);
  CHECK_FALSE(run(last).has_value());
  CHECK(bench.table.attempt(0) == 1);
  CHECK(bench.timers.earliest() == at(now + 60s));
  now += 60s;
  CHECK(run(failure) == 10s);
  now += 10s;
  CHECK_FALSE(run(Outcome::kSkipped).has_value());
  CHECK(bench.table.attempt(0) == 1);
}

TEST_CASE("without retries a failure waits for the interval", "[task_table]") {
  Bench bench({retried(0, 10s)});
  bench.begin();
  bench.pass_until(0s);
  REQUIRE(bench.start_all() == Indices{0});
  CHECK_FALSE(bench.end(0, 0s, true).has_value());
  CHECK(bench.timers.earliest() == at(60s));
}

TEST_CASE("an attempt that is due waits for its gate and keeps its number", "[task_table]") {
  PlannedTask planned = retried(1, 10s);
  planned.config.dependencies.insert(Dependency::kKg);
  Bench bench({planned});
  bench.begin();
  bench.pass_until(0s);
  REQUIRE(bench.start_all() == Indices{0});
  CHECK(bench.end(0, 0s, true) == 10s);
  bench.gates.watch(Dependency::kKg, at(5s));
  bench.pass_until(100s);
  CHECK(bench.start_all().empty());
  CHECK(bench.table.why(0, at(100s)).find("due for 90 s, but ") == 0);
  bench.gates.set_reachable(Dependency::kKg, true, "", at(100s));
  bench.table.recheck_held();
  CHECK(bench.table.attempt(0) == 2);
  CHECK(bench.start_all() == Indices{0});
}

TEST_CASE("what another leader has run meanwhile is not tried again, but begins anew", "[task_table]") {
  PlannedTask planned = retried(3, 10s);
  planned.config.run_on = RunOn::kLeader;
  Bench bench({planned});
  bench.gates.set_leader(true, true);
  bench.begin();
  bench.pass_until(0s);
  REQUIRE(bench.start_all() == Indices{0});
  CHECK(bench.end(0, 0s, true) == 10s);
  SECTION("nobody has") {
    bench.table.learn({{"task", bench.wall_now - 1h}}, at(5s), bench.wall_now);
    CHECK(bench.table.attempt(0) == 2);
    CHECK(bench.table.why(0, at(5s)) == "waits, attempt 2 of 4 in 5 s");
  }
  SECTION("somebody has, ten seconds ago") {
    bench.table.learn({{"task", bench.wall_now - 10s}}, at(5s), bench.wall_now);
    CHECK(bench.table.attempt(0) == 1);
    CHECK(bench.table.why(0, at(5s)) == "waits, next run in 50 s");
  }
}

TEST_CASE("a task that runs once has its retries too", "[task_table]") {
  PlannedTask planned = retried(1, 10s);
  planned.config.once = true;
  Bench bench({planned});
  bench.begin();
  bench.pass_until(0s);
  REQUIRE(bench.start_all() == Indices{0});
  CHECK(bench.end(0, 0s, true) == 10s);
  bench.pass_until(10s);
  REQUIRE(bench.start_all() == Indices{0});
  CHECK_FALSE(bench.end(0, 11s, true).has_value());
  CHECK(bench.timers.earliest() == kNever);
  CHECK(bench.table.why(0, at(12s)) == "has run, once");
}

TEST_CASE("a scheduler that stops tries nothing again", "[task_table]") {
  Bench bench({retried(1, 10s)});
  bench.begin();
  bench.pass_until(0s);
  REQUIRE(bench.start_all() == Indices{0});
  bench.table.stop();
  CHECK_FALSE(bench.end(0, 0s, true).has_value());
  CHECK(bench.timers.earliest() == kNever);
}

TEST_CASE("jitter is added to the wait for an attempt", "[task_table]") {
  PlannedTask planned = retried(100, 10s);
  planned.config.jitter = 4s;
  Bench bench({planned});
  bench.begin();
  Duration now = bench.timers.earliest() - at(0s);
  bench.pass_until(now);
  REQUIRE(bench.start_all() == Indices{0});
  const Duration pause = bench.end(0, now, true).value();
  CHECK((pause > 10s && pause <= 14s));
  CHECK(bench.timers.earliest() == at(now + pause));
}

TEST_CASE("jitter is added to each wait, from nothing up to all of it", "[task_table]") {
  Bench bench({task([](TaskConfig& config) {
    config.initial_delay = 10s;
    config.jitter = 4s;
  })});
  bench.begin();
  CHECK((bench.timers.earliest() >= at(10s) && bench.timers.earliest() <= at(14s)));
  Duration least = 4s;
  Duration most = 0s;
  for (int round = 0; round < 200; ++round) {
    const Duration now = bench.timers.earliest().time_since_epoch();
    bench.pass_until(now);
    REQUIRE(bench.start_all() == Indices{0});
    bench.end(0, now);
    const Duration jitter = bench.timers.earliest() - at(now + 60s);
    REQUIRE((jitter >= 0s && jitter <= 4s));
    least = std::min(least, jitter);
    most = std::max(most, jitter);
  }
  CHECK(least < 200ms);
  CHECK(most > 3800ms);
}

TEST_CASE("a persistent task waits for its interval from the remembered end", "[task_table]") {
  struct Case {
    bool persist;
    Duration since_end;
    Duration due;
  };
  const auto expected = GENERATE(values<Case>({
      {true, 10s, 50s},       // the rest of the interval
      {true, 0s, 60s},        //
      {true, 55s, 10s},       // never before its initial delay
      {true, 60s, 10s},       //
      {true, 240'000h, 10s},  // not run for 27 years
      {false, 10s, 10s},      // a task that does not persist
  }));
  Bench bench({task([&](TaskConfig& config) {
    config.initial_delay = 10s;
    config.persist = expected.persist;
  })});
  const auto since_end = std::chrono::duration_cast<std::chrono::microseconds>(expected.since_end);
  CHECK(bench.begin({{"task", bench.wall_now - since_end}, {"other", bench.wall_now}}).empty());
  CHECK(bench.timers.earliest() == at(expected.due));
}

TEST_CASE("a remembered end that cannot be is not used", "[task_table]") {
  Bench bench({task([](TaskConfig& config) {
    config.initial_delay = 10s;
    config.persist = true;
  })});
  SECTION("in the future: the wall clock was set back") {
    CHECK(bench.begin({{"task", bench.wall_now + 1us}}) == Indices{0});
  }
  SECTION("at the end of time: a damaged file") {
    CHECK(bench.begin({{"task", WallTime::max()}}) == Indices{0});
  }
  SECTION("at its beginning") {
    CHECK(bench.begin({{"task", WallTime::min()}}).empty());
  }
  CHECK(bench.timers.earliest() == at(10s));
}

TEST_CASE("a task that is not scheduled never runs and says why", "[task_table]") {
  PlannedTask off = after(0s);
  off.scheduled = false;
  off.reason = "disabled by enabled = false";
  Bench bench({off});
  bench.begin();
  CHECK(bench.timers.earliest() == kNever);
  CHECK(bench.start_all().empty());
  CHECK(bench.table.why(0, at(0s)) == "disabled by enabled = false");
}

TEST_CASE("a closed gate holds a due task back until it opens", "[task_table]") {
  Bench bench({needing_kg()});
  bench.gates.set_reachable(Dependency::kKg, false, "gone", at(0s));
  bench.begin();
  bench.pass_until(5s);
  CHECK(bench.start_all().empty());
  CHECK(bench.table.take_newly_held() == Indices{0});
  CHECK(bench.table.take_newly_held().empty());  // once for each hold
  CHECK(bench.table.why(0, at(5s)) == "due for 5 s, but kg has been unreachable for 5 s (gone)");

  bench.table.recheck_held();
  CHECK(bench.start_all().empty());
  bench.gates.set_reachable(Dependency::kKg, true, "", at(6s));
  bench.table.recheck_held();
  CHECK(bench.start_all() == Indices{0});
  CHECK(bench.table.take_newly_held().empty());
}

TEST_CASE("a gate that closes again before the start holds the task back again", "[task_table]") {
  Bench bench({needing_kg()});
  bench.begin();
  bench.pass_until(0s);  // due, and ready
  bench.gates.set_reachable(Dependency::kKg, false, "gone", at(0s));
  CHECK(bench.start_all().empty());
  bench.gates.set_reachable(Dependency::kKg, true, "", at(1s));
  bench.table.recheck_held();
  CHECK(bench.start_all() == Indices{0});
}

TEST_CASE("the longest-due task starts first, whichever its pool", "[task_table]") {
  Bench bench({in_pool("llm", 3s), in_pool("", 2s), in_pool("io", 1s)});
  bench.begin();
  bench.pass_until(5s);
  CHECK(bench.start_all() == Indices{2, 1});  // two places over all
  CHECK(bench.table.take_newly_held() == Indices{0});
  CHECK(bench.table.why(0, at(5s)) == "due for 2 s, but all 2 places are taken (scheduler.max_concurrent_runs)");
  bench.end(1, 5s);
  CHECK(bench.start_all() == Indices{0});
}

TEST_CASE("tasks that are due at one instant start in their order", "[task_table]") {
  Bench bench({after(1s), after(1s)});
  bench.begin();
  bench.pass_until(1s);
  CHECK(bench.start_all() == Indices{0, 1});
}

TEST_CASE("a held task keeps its place in the order of due times", "[task_table]") {
  Bench bench({after(2s), needing_kg(1s)});
  bench.gates.set_reachable(Dependency::kKg, false, "gone", at(0s));
  bench.begin();
  bench.pass_until(3s);
  bench.gates.set_reachable(Dependency::kKg, true, "", at(3s));
  bench.table.recheck_held();
  CHECK(bench.start_all() == Indices{1, 0});
}

TEST_CASE("a full pool does not block another", "[task_table]") {
  Bench bench({in_pool("llm", 1s), in_pool("llm", 2s), in_pool("io", 3s)});
  bench.begin();
  bench.pass_until(5s);
  CHECK(bench.start_all() == Indices{0, 2});
  CHECK(bench.table.why(1, at(5s)) == "due for 3 s, but pool llm is full (1 of 1)");
  bench.end(0, 6s);
  CHECK(bench.start_all() == Indices{1});
}

TEST_CASE("a timer that no longer means anything is ignored", "[task_table]") {
  Bench bench({after(10s)});
  bench.begin();
  bench.table.on_due(0, at(9s));  // it waits for a later instant
  CHECK(bench.start_all().empty());
  bench.pass_until(10s);
  bench.table.on_due(0, at(10s));  // it is due already
  CHECK(bench.start_all() == Indices{0});
  bench.table.on_due(0, at(11s));  // it runs
  CHECK(bench.table.running(0));
}

TEST_CASE("a stop ends every wait; what runs is still to end", "[task_table]") {
  Bench bench({after(0s), after(100s), needing_kg(), in_pool("llm"), in_pool("llm", 1s)});
  bench.gates.set_reachable(Dependency::kKg, false, "gone", at(0s));
  bench.begin();
  bench.pass_until(1s);
  CHECK(bench.start_all() == Indices{0, 3});
  bench.table.stop();
  CHECK(bench.table.take_newly_held().empty());

  bench.end(0, 2s);
  bench.end(3, 2s);
  bench.gates.set_reachable(Dependency::kKg, true, "", at(2s));
  bench.table.recheck_held();
  bench.pass_until(1000s);
  CHECK(bench.start_all().empty());
  for (std::uint32_t index = 0; index < bench.table.size(); ++index) {
    CHECK(bench.table.why(index, at(2s)) == "the scheduler is not running");
  }
}

TEST_CASE("a task that waits says until when", "[task_table]") {
  Bench bench({after(10s)});
  CHECK(bench.table.why(0, at(0s)) == "the scheduler is not running");
  bench.begin();
  CHECK(bench.table.why(0, at(4s)) == "waits, next run in 6 s");
  CHECK(bench.table.why(0, at(10s)) == "due now");  // its timer has not been taken yet
  bench.pass_until(10s);
  CHECK(bench.table.why(0, at(10s)) == "due now");
}
