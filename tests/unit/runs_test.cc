#include "core/runs.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "unit/catch.h"
#include "unit/fakes.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

using Calls = std::vector<std::string>;

const std::string kName = "job";
const Job kJob = CommandJob{{"/bin/true"}};
const Environment kEnvironment{{"KEY", "value"}};
const Settings kSettings{{"key", "1"}};
const std::string kDirectory = "/tmp";

RunPlan plan_of(RunOwner owner = RunOwner::kTask, std::uint32_t owner_index = 0) {
  return {.owner = owner,
          .owner_index = owner_index,
          .name = &kName,
          .job = &kJob,
          .environment = &kEnvironment,
          .settings = &kSettings,
          .working_directory = &kDirectory,
          .arguments = {},
          .timeout = Duration::zero(),
          .stop_grace = 10s,
          .of_lease = false};
}

RunPlan plan_with_timeout(Duration timeout) {
  RunPlan plan = plan_of();
  plan.timeout = timeout;
  return plan;
}

RunPlan plan_of_lease() {
  RunPlan plan = plan_of(RunOwner::kSupervised);
  plan.of_lease = true;
  return plan;
}

// Runs on a scripted host, with a drain deadline of 2 s.
struct Bench {
  FakeWorkerHost host;
  Timers timers;
  std::vector<Event> events;
  Runs runs{host, timers, 2s, events};

  RunId start(const RunPlan& plan = plan_of(), Duration now = 0s) {
    const Result<RunId> run = runs.start(plan, std::nullopt, "n-1", at(now));
    REQUIRE(run.ok());
    host.take_calls();
    return *run;
  }
  // Lets the timers come that are due by `now`, each at its instant.
  void pass_until(Duration now) {
    while (timers.earliest() <= at(now)) {
      const Timer timer = timers.take();
      runs.on_timer(timer, timer.at);
    }
  }
  void exit(RunId run, ExitStatus status, Duration now, const std::string& detail = "") {
    runs.on_exited({run, status, detail}, at(now));
  }
  // Exits and closes its channel: all is over.
  FinishedRun finish(RunId run, ExitStatus status, Duration now, const std::string& detail = "") {
    exit(run, status, now, detail);
    runs.on_channel_closed(run, at(now));
    const std::vector<FinishedRun> finished = runs.take_finished();
    REQUIRE(finished.size() == 1);
    return finished.front();
  }
  std::vector<EventKind> take_kinds() {
    std::vector<EventKind> kinds;
    for (const Event& event : std::exchange(events, {})) kinds.push_back(event.kind);
    return kinds;
  }
};

}  // namespace

TEST_CASE("a worker gets what its plan says", "[runs]") {
  Bench bench;
  REQUIRE(bench.runs.start(plan_of(), std::nullopt, "n-1", at(3s)).ok());
  REQUIRE(bench.host.spawned.size() == 1);
  const SpawnRequest& request = bench.host.spawned.front();
  CHECK(request.run == RunId{1});
  CHECK(request.run_id_text == "n-1");
  CHECK(request.name == "job");
  CHECK(request.job == &kJob);
  CHECK(request.environment == &kEnvironment);
  CHECK(request.settings == &kSettings);
  CHECK(request.working_directory == &kDirectory);
  CHECK(bench.runs.size() == 1);
  CHECK(bench.runs.started_at({1}) == at(3s));
}

TEST_CASE("run ids count up and are not used again, even after a failed start", "[runs]") {
  Bench bench;
  CHECK(bench.runs.next_id() == RunId{1});
  const RunId first = bench.start();
  bench.host.refusal = "no such file";
  const Result<RunId> refused = bench.runs.start(plan_of_lease(), std::nullopt, "n-2", at(0s));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message() == "no such file");
  CHECK(bench.runs.size() == 1);
  CHECK(bench.runs.of_lease_count() == 0);
  CHECK(bench.runs.next_id() == RunId{3});
  bench.host.refusal.clear();
  bench.finish(first, {}, 1s);
  CHECK(bench.start() == RunId{3});
}

TEST_CASE("how a process ended is the outcome of its run", "[runs]") {
  struct Case {
    ExitStatus status;
    std::string detail;
    Outcome outcome;
    std::string cause;
  };
  const auto& expected = GENERATE(values<Case>({
      {{0, 0}, "", Outcome::kOk, ""},
      {{77, 0}, "", Outcome::kSkipped, "exit code 77"},
      {{77, 0}, "no adapters", Outcome::kSkipped, "no adapters"},
      {{1, 0}, "", Outcome::kFailed, "exit code 1"},
      {{1, 0}, "read: I/O error", Outcome::kFailed, "read: I/O error"},
      {{0, 11}, "", Outcome::kFailed, "killed by signal 11"},
      {{77, 9}, "", Outcome::kFailed, "killed by signal 9"},
  }));
  Bench bench;
  const RunId run = bench.start(plan_of(RunOwner::kTask, 5), 1s);
  const FinishedRun finished = bench.finish(run, expected.status, 4s, expected.detail);
  CHECK(finished.run == run);
  CHECK(finished.owner == RunOwner::kTask);
  CHECK(finished.owner_index == 5);
  CHECK(finished.outcome == expected.outcome);
  CHECK(finished.duration == 3s);
  CHECK(finished.cause == expected.cause);
  CHECK(bench.runs.size() == 0);
}

TEST_CASE("a run is finished when its exit is seen and its channel is closed, in either order", "[runs]") {
  Bench bench;
  const RunId run = bench.start();
  SECTION("exit first") {
    bench.exit(run, {}, 1s);
    CHECK(bench.runs.take_finished().empty());
    bench.runs.on_channel_closed(run, at(2s));
  }
  SECTION("channel first") {
    bench.runs.on_channel_closed(run, at(1s));
    CHECK(bench.runs.take_finished().empty());
    bench.exit(run, {}, 2s);
  }
  CHECK(bench.runs.take_finished().size() == 1);
  CHECK(bench.runs.take_finished().empty());
}

TEST_CASE("inputs that name no run, or come twice, are ignored", "[runs]") {
  Bench bench;
  bench.exit({9}, {}, 0s);
  bench.runs.on_channel_closed({9}, at(0s));
  bench.runs.cancel({9}, "why", at(0s));
  bench.runs.on_timer({at(0s), Timer::Kind::kRunTimeout, 9}, at(0s));
  const RunId run = bench.start();
  bench.exit(run, {3, 0}, 1s);
  bench.exit(run, {0, 0}, 1s);
  bench.runs.on_channel_closed(run, at(1s));
  bench.runs.on_channel_closed(run, at(1s));
  const auto finished = bench.runs.take_finished();
  REQUIRE(finished.size() == 1);
  CHECK(finished.front().cause == "exit code 3");
  CHECK(bench.host.take_calls().empty());
}

TEST_CASE("output that stays open after the exit is given up at the drain deadline", "[runs]") {
  Bench bench;
  const RunId run = bench.start();
  bench.exit(run, {}, 1s);
  bench.pass_until(3s - 1ns);
  CHECK(bench.host.take_calls().empty());
  bench.pass_until(3s);
  CHECK(bench.host.take_calls() == Calls{"close 1"});
  CHECK(bench.take_kinds() == std::vector{EventKind::kOutputAbandoned});
  CHECK(bench.runs.size() == 1);
  bench.runs.on_channel_closed(run, at(3s));
  CHECK(bench.runs.take_finished().front().outcome == Outcome::kOk);
}

TEST_CASE("a run that takes longer than its timeout gets TERM, and KILL after the grace", "[runs]") {
  Bench bench;
  const RunId run = bench.start(plan_with_timeout(60s));
  bench.pass_until(60s - 1ns);
  CHECK(bench.host.take_calls().empty());
  bench.pass_until(60s);
  CHECK(bench.host.take_calls() == Calls{"TERM 1"});
  bench.pass_until(70s - 1ns);
  CHECK(bench.host.take_calls().empty());
  bench.pass_until(70s);
  CHECK(bench.host.take_calls() == Calls{"KILL 1"});
  CHECK(bench.take_kinds() == std::vector{EventKind::kStopEscalated});
  const FinishedRun finished = bench.finish(run, {0, 9}, 71s);
  CHECK(finished.outcome == Outcome::kTimedOut);
  CHECK(finished.cause == "ran longer than its timeout of 1m");
}

TEST_CASE("a run that leaves on TERM has timed out all the same, whatever its exit code", "[runs]") {
  Bench bench;
  const RunId run = bench.start(plan_with_timeout(60s));
  bench.pass_until(60s);
  CHECK(bench.finish(run, {0, 0}, 61s).outcome == Outcome::kTimedOut);
  bench.host.take_calls();
  bench.pass_until(1h);  // the grace of a run that is gone
  CHECK(bench.host.take_calls().empty());
}

TEST_CASE("a timeout means nothing to a run that has exited or is being stopped", "[runs]") {
  Bench bench;
  const RunId run = bench.start(plan_with_timeout(60s));
  SECTION("exited, its output still open") {
    bench.exit(run, {}, 59s);
    bench.pass_until(60s);
    CHECK(bench.host.take_calls().empty());
    bench.runs.on_channel_closed(run, at(60s));
    CHECK(bench.runs.take_finished().front().outcome == Outcome::kOk);
  }
  SECTION("stopped") {
    bench.runs.cancel(run, "why", at(59s));
    bench.pass_until(60s);
    CHECK(bench.host.take_calls() == Calls{"TERM 1"});
    CHECK(bench.finish(run, {0, 15}, 61s).outcome == Outcome::kCancelled);
  }
}

TEST_CASE("without a timeout a run may go on for ever", "[runs]") {
  Bench bench;
  bench.start();
  CHECK(bench.timers.earliest() == kNever);
}

TEST_CASE("a cancelled run says why, and the first reason counts", "[runs]") {
  Bench bench;
  const RunId run = bench.start();
  bench.runs.cancel(run, "the lease was lost", at(1s));
  bench.runs.cancel_all("the scheduler is stopping", at(2s));
  CHECK(bench.host.take_calls() == Calls{"TERM 1"});
  const FinishedRun finished = bench.finish(run, {0, 15}, 3s);
  CHECK(finished.outcome == Outcome::kCancelled);
  CHECK(finished.cause == "the lease was lost");
}

TEST_CASE("a run that had exited before it was cancelled was not cancelled", "[runs]") {
  Bench bench;
  const RunId run = bench.start();
  bench.exit(run, {1, 0}, 1s);
  bench.runs.cancel_all("why", at(1s));
  bench.runs.kill_all("why", at(1s));
  CHECK(bench.host.take_calls().empty());
  bench.runs.on_channel_closed(run, at(1s));
  CHECK(bench.runs.take_finished().front().outcome == Outcome::kFailed);
}

TEST_CASE("the runs of the lease are stopped alone", "[runs]") {
  Bench bench;
  bench.start(plan_of());
  const RunId of_lease = bench.start(plan_of_lease());
  CHECK(bench.runs.of_lease_count() == 1);
  bench.runs.cancel_of_lease("lost", at(1s));
  CHECK(bench.host.take_calls() == Calls{"TERM 2"});
  bench.runs.kill_of_lease("lost", at(2s));
  CHECK(bench.host.take_calls() == Calls{"KILL 2"});
  bench.exit(of_lease, {0, 9}, 3s);
  CHECK(bench.runs.of_lease_count() == 1);  // its output is still open
  bench.runs.on_channel_closed(of_lease, at(3s));
  CHECK(bench.runs.of_lease_count() == 0);
  CHECK(bench.runs.size() == 1);
}

TEST_CASE("a kill needs no TERM before it and is sent once", "[runs]") {
  Bench bench;
  const RunId run = bench.start();
  bench.runs.kill_all("hurry", at(1s));
  bench.runs.kill_all("hurry", at(2s));
  bench.runs.cancel_all("late", at(2s));
  CHECK(bench.host.take_calls() == Calls{"KILL 1"});
  CHECK(bench.finish(run, {0, 9}, 2s).cause == "hurry");
}

TEST_CASE("a run keeps its permit until nothing of it is left", "[runs]") {
  Pools pools(1, {});
  Bench bench;
  const Result<RunId> run = bench.runs.start(plan_of(), pools.take(kNoPool), "n-1", at(0s));
  REQUIRE(run.ok());
  CHECK_FALSE(pools.has_room(kNoPool));
  bench.exit(*run, {}, 1s);
  CHECK_FALSE(pools.has_room(kNoPool));
  bench.runs.on_channel_closed(*run, at(1s));
  CHECK(pools.has_room(kNoPool));

  bench.host.refusal = "no memory";
  CHECK_FALSE(bench.runs.start(plan_of(), pools.take(kNoPool), "n-2", at(1s)).ok());
  CHECK(pools.has_room(kNoPool));
}

TEST_CASE("what is left is named, at most ten of it", "[runs]") {
  Bench bench;
  CHECK(bench.runs.names().empty());
  bench.start();
  bench.start();
  CHECK(bench.runs.names() == "job (run 1), job (run 2)");
  for (int i = 0; i < 10; ++i) bench.start();
  CHECK(bench.runs.names().ends_with("job (run 10), …"));
}

TEST_CASE("what a Python job reports decides its outcome, whatever its exit code", "[runs]") {
  const Job job = PythonJob{"module:function"};
  RunPlan plan = plan_of();
  plan.job = &job;
  Bench bench;
  const auto end = [&](const RunReported& reported, ExitStatus status) {
    const RunId run = bench.start(plan);
    RunReported of_run = reported;
    of_run.run = run;
    bench.runs.on_reported(of_run);
    bench.runs.on_reported({run, Outcome::kOk, "a second one", ""});
    return bench.finish(run, status, 1s);
  };
  CHECK(end({{}, Outcome::kOk, "", ""}, {1, 0}).outcome == Outcome::kOk);
  const FinishedRun skipped = end({{}, Outcome::kSkipped, "no module", ""}, {77, 0});
  CHECK(skipped.outcome == Outcome::kSkipped);
  CHECK(skipped.cause == "no module");
  const FinishedRun failed = end({{}, Outcome::kFailed, "no channel", "ValueError"}, {0, 0});
  CHECK(failed.outcome == Outcome::kFailed);
  CHECK(failed.cause == "no channel");
  CHECK(failed.error == "ValueError");
}

TEST_CASE("a Python job that reports nothing has failed, even with exit code 0", "[runs]") {
  const Job job = PythonJob{"module:function"};
  RunPlan plan = plan_of();
  plan.job = &job;
  Bench bench;
  const FinishedRun silent = bench.finish(bench.start(plan), {0, 0}, 1s);
  CHECK(silent.outcome == Outcome::kFailed);
  CHECK(silent.cause == "it ended without a result: exit code 0");
  const RunId garbled = bench.start(plan);
  bench.runs.on_refused({garbled, "this line is not JSON"});
  bench.runs.on_refused({garbled, "a second one"});
  CHECK(bench.finish(garbled, {0, 0}, 1s).cause ==
        "it ended without a result: exit code 0; what it wrote to its fd 3 was refused: this line is not JSON");
  const RunId good = bench.start(plan);
  bench.runs.on_refused({good, "this line is not JSON"});
  bench.runs.on_reported({good, Outcome::kOk, "", ""});
  CHECK(bench.finish(good, {0, 0}, 1s).outcome == Outcome::kOk);
}

TEST_CASE("what a plugin reports decides, and without a report its job is named", "[runs]") {
  const Job job = PluginJob{"stargazer-jobs", "kg_decay"};
  RunPlan plan = plan_of();
  plan.job = &job;
  Bench bench;
  const RunId good = bench.start(plan);
  bench.runs.on_reported({good, Outcome::kOk, "", ""});
  CHECK(bench.finish(good, {1, 0}, 1s).outcome == Outcome::kOk);
  const FinishedRun crashed = bench.finish(bench.start(plan), {0, 11}, 1s);
  CHECK(crashed.outcome == Outcome::kFailed);
  CHECK(crashed.cause == "job kg_decay of plugin stargazer-jobs ended without a result: killed by signal 11");
}

TEST_CASE("a command's exit code decides; what it reports tells why", "[runs]") {
  Bench bench;
  const RunId good = bench.start();
  bench.runs.on_reported({good, Outcome::kFailed, "not so", "Error"});
  CHECK(bench.finish(good, {0, 0}, 1s).outcome == Outcome::kOk);
  const RunId bad = bench.start();
  bench.runs.on_reported({bad, Outcome::kFailed, "no channel", "ValueError"});
  const FinishedRun failed = bench.finish(bad, {3, 0}, 1s);
  CHECK(failed.outcome == Outcome::kFailed);
  CHECK(failed.cause == "no channel");
  CHECK(failed.error == "ValueError");
}

TEST_CASE("a run that was stopped stays so, whatever it reports, and is told why", "[runs]") {
  const Job job = PythonJob{"module:function"};
  RunPlan plan = plan_with_timeout(5s);
  plan.job = &job;
  Bench bench;
  const RunId run = bench.start(plan);
  bench.pass_until(5s);
  CHECK(bench.host.last_why == "its timeout has passed");
  bench.runs.on_reported({run, Outcome::kOk, "", ""});
  CHECK(bench.finish(run, {0, 0}, 6s).outcome == Outcome::kTimedOut);
  const RunId other = bench.start();
  bench.runs.cancel(other, "the scheduler is stopping", at(7s));
  CHECK(bench.host.last_why == "the scheduler is stopping");
}

TEST_CASE("the last progress of a run is kept", "[runs]") {
  Bench bench;
  const RunId run = bench.start();
  CHECK(bench.runs.running_text(run, at(2s)) == "running for 2 s");
  bench.runs.on_progress({run, 3, 0, ""});
  CHECK(bench.runs.running_text(run, at(2s)) == "running for 2 s, 3");
  bench.runs.on_progress({run, 40, 100, "reading"});
  CHECK(bench.runs.running_text(run, at(2s)) == "running for 2 s, 40 of 100: reading");
}

TEST_CASE("a run that failed says first which limit it had reached", "[runs]") {
  Bench bench;
  RunPlan plan = plan_of();
  SECTION("the plan's limits are those of the request") {
    const Limits limits{.memory_max_bytes = 1 << 20};
    plan.limits = &limits;
    bench.start(plan);
    CHECK(bench.host.spawned.back().limits == &limits);
  }
  SECTION("killed by it") {
    const RunId run = bench.start(plan);
    bench.runs.on_exited({run, {0, 9}, "", "killed by memory_max of 1M"}, at(1s));
    bench.runs.on_channel_closed(run, at(1s));
    CHECK(bench.runs.take_finished().at(0).cause == "killed by memory_max of 1M: killed by signal 9");
  }
  SECTION("reached it, and ended well all the same") {
    const RunId run = bench.start(plan);
    bench.runs.on_exited({run, {0, 0}, "", "reached processes_max of 3"}, at(1s));
    bench.runs.on_channel_closed(run, at(1s));
    CHECK(bench.runs.take_finished().at(0).cause.empty());
  }
  SECTION("reached it, and then its timeout") {
    plan.timeout = 5s;
    const RunId run = bench.start(plan);
    bench.pass_until(5s);
    bench.runs.on_exited({run, {0, 15}, "", "reached processes_max of 3"}, at(6s));
    bench.runs.on_channel_closed(run, at(6s));
    const FinishedRun finished = bench.runs.take_finished().at(0);
    CHECK(finished.outcome == Outcome::kTimedOut);
    CHECK(finished.cause == "reached processes_max of 3: ran longer than its timeout of 5s");
  }
}

TEST_CASE("a plan is what is configured, and a worker's grace what the lease leaves", "[runs]") {
  TaskConfig task;
  task.name = "t";
  task.timeout = 7s;
  task.stop_grace = 3s;
  task.run_on = RunOn::kLeader;
  const RunPlan of_task = task_plan(task, 4);
  CHECK(of_task.owner == RunOwner::kTask);
  CHECK(of_task.owner_index == 4);
  CHECK(of_task.name == &task.name);
  CHECK(of_task.limits == &task.limits);
  CHECK(of_task.timeout == 7s);
  CHECK(of_task.stop_grace == 3s);
  CHECK(of_task.of_lease);
  CHECK(of_task.attempt == 1);
  SupervisedConfig worker;
  CHECK(worker_plan(worker, 0, 7s).stop_grace == 7s);
  worker.stop_grace = 3s;
  CHECK(worker_plan(worker, 0, 7s).stop_grace == 3s);
  worker.stop_grace = 9s;
  const RunPlan of_worker = worker_plan(worker, 2, 7s);
  CHECK(of_worker.stop_grace == 7s);
  CHECK(of_worker.timeout == Duration::zero());
  CHECK(of_worker.of_lease);
  CHECK(of_worker.owner == RunOwner::kSupervised);
}
