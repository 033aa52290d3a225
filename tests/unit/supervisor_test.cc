#include "core/supervisor.h"

#include <map>
#include <string>
#include <vector>

#include "unit/catch.h"
#include "unit/test_node.h"

using namespace std::chrono_literals;
using namespace stargazer;

// ---- The interval loop ----------------------------------------------------------------------------------------------

TEST_CASE("a task runs, ends, and runs again an interval after its end", "[supervisor]") {
  TestNode node(with_tasks({task_config("a", 10s)}));
  node.start();
  node.run_until(10s);
  CHECK(node.take_calls() == Lines{"spawn a 1"});
  CHECK(node.host.spawned.at(0).run_id_text == "n-1");
  CHECK(node.take_lines() == Lines{"lease_gained: standalone", "run_started a 1"});

  node.run_until(15s);
  node.end(1);
  const std::vector<Event> events = node.take_events();
  REQUIRE(events.size() == 1);
  CHECK(line_of(events[0]) == "run_ended a 1 ok");
  CHECK(events[0].at == at(15s));
  CHECK(events[0].duration == 5s);
  node.run_until(75s - 1ns);
  CHECK(node.take_calls().empty());
  node.run_until(75s);
  CHECK(node.take_calls() == Lines{"spawn a 2"});
}

TEST_CASE("each run ends in one event with its outcome, and the loop goes on", "[supervisor]") {
  const auto [status, line, failures] = GENERATE(table<ExitStatus, std::string, std::uint64_t>({
      {{}, "run_ended a 1 ok", 0},
      {kSkipped, "run_ended a 1 skipped: exit code 77", 0},
      {kExit1, "run_ended a 1 failed: exit code 1", 1},
      {{0, 11}, "run_ended a 1 failed: killed by signal 11", 1},
  }));
  TestNode node(with_tasks({task_config("a")}));
  node.start();
  node.forget();
  node.end(1, status);
  CHECK(node.take_lines() == Lines{line});
  CHECK(node.supervisor->status().at(0).run_count == 1);
  CHECK(node.supervisor->status().at(0).failure_count == failures);
  node.run_until(60s);
  CHECK(node.take_lines() == Lines{"run_started a 2"});
}

TEST_CASE("a failed run is tried again, each attempt a run of its own with its number", "[supervisor]") {
  Config config = with_tasks({task_config("a")});
  config.tasks[0].retries = 2;
  config.tasks[0].retry_backoff = 5s;
  TestNode node(config);
  node.start();
  node.run_until(1s);
  node.take_events();
  node.end(1, kExit1);
  const std::vector<Event> first = node.take_events();
  REQUIRE(first.size() == 1);
  CHECK(line_of(first[0]) == "run_ended a 1 failed: exit code 1");
  CHECK(first[0].attempt == 1);
  CHECK(first[0].delay == 5s);
  CHECK(node.why() == "waits, attempt 2 of 3 in 5 s");

  node.run_until(6s);
  node.end(2, {0, 11});
  node.run_until(16s);
  const std::vector<Event> second = node.take_events();
  REQUIRE(second.size() == 3);
  CHECK(line_of(second[0]) == "run_started a 2");
  CHECK(second[0].attempt == 2);
  CHECK(second[1].delay == 10s);
  CHECK(line_of(second[2]) == "run_started a 3");
  node.end(3, kExit1);
  const std::vector<Event> last = node.take_events();
  REQUIRE(last.size() == 1);
  CHECK(last[0].attempt == 3);
  CHECK(last[0].delay == Duration::zero());
  CHECK(node.why() == "waits, next run in 60 s");
  node.run_until(76s);
  REQUIRE(node.host.spawned.size() == 4);
  for (std::size_t place = 0; place < 4; ++place) CHECK(node.host.spawned[place].attempt == place % 3 + 1);
  CHECK(node.supervisor->status().at(0).run_count == 4);
  CHECK(node.supervisor->status().at(0).failure_count == 3);
}

TEST_CASE("what could not be started and what ran too long is tried again as well", "[supervisor]") {
  Config config = with_tasks({task_config("a")});
  config.tasks[0].retries = 2;
  config.tasks[0].retry_backoff = 5s;
  config.tasks[0].timeout = 30s;
  TestNode node(config);
  node.host.refusal = "exec /nowhere: No such file or directory";
  node.start();
  node.host.refusal.clear();
  node.run_until(35s);  // the second attempt began at 5 s
  CHECK(node.take_calls() == Lines{"spawn a 2", "TERM 2"});
  node.end(2, kTerminated);
  node.run_until(45s);
  CHECK(node.take_calls() == Lines{"spawn a 3"});
  CHECK(node.host.spawned.back().attempt == 3);
}

TEST_CASE("a native job that failed says why", "[supervisor]") {
  TestNode node(with_tasks({task_config("a")}));
  node.start();
  node.forget();
  node.post(Exited{{1}, kExit1, "journal: no such directory"});
  node.post(ChannelClosed{{1}});
  node.step();
  CHECK(node.take_lines() == Lines{"run_ended a 1 failed: journal: no such directory"});
}

TEST_CASE("a task that cannot be started waits for its interval and tries again", "[supervisor]") {
  Config config = with_tasks({task_config("a")});
  config.scheduler.max_concurrent_runs = 1;
  TestNode node(config);
  node.host.refusal = "exec /nowhere: No such file or directory";
  node.start();
  CHECK(node.take_lines() == Lines{"lease_gained: standalone", "run_started a 1",
                                   "run_ended a 1 spawn_failed: exec /nowhere: No such file or directory"});
  CHECK(node.supervisor->status().at(0).failure_count == 1);
  CHECK(node.supervisor->worker_count() == 0);
  node.host.refusal.clear();
  node.run_until(60s);
  CHECK(node.take_calls() == Lines{"spawn a 2"});  // the permit came back, the run id did not
}

TEST_CASE("a run that exits when another task is due frees its place in that very step", "[supervisor]") {
  Config config = with_tasks({task_config("a"), task_config("b", 5s)});
  config.scheduler.max_concurrent_runs = 1;
  TestNode node(config);
  node.start();
  node.forget();
  node.run_until(5s - 1ns);
  node.clock.time = at(5s);
  node.end(1);
  CHECK(node.take_lines() == Lines{"run_ended a 1 ok", "run_started b 2"});
}

TEST_CASE("a full pool holds a task back, once told, until a place is free", "[supervisor]") {
  Config config = with_tasks({task_config("a"), task_config("b"), task_config("c")});
  config.pools["llm"] = {1};
  config.tasks[0].pool = config.tasks[1].pool = "llm";
  TestNode node(config);
  node.start();
  CHECK(node.take_calls() == Lines{"spawn a 1", "spawn c 2"});
  CHECK(node.take_lines() == Lines{"lease_gained: standalone", "run_started a 1", "run_started c 2",
                                   "task_held b: pool llm is full (1 of 1)"});
  node.run_until(7s);
  CHECK(node.take_lines().empty());
  CHECK(node.why(1) == "due for 7 s, but pool llm is full (1 of 1)");
  node.end(1);
  CHECK(node.take_calls() == Lines{"spawn b 3"});
}

TEST_CASE("a run that exceeds its timeout gets TERM, then KILL", "[supervisor]") {
  Config config = with_tasks({task_config("a")});
  config.tasks[0].timeout = 30s;
  config.tasks[0].stop_grace = 10s;
  TestNode node(config);
  node.start();
  node.forget();
  node.run_until(30s - 1ns);
  CHECK(node.take_calls().empty());
  node.run_until(30s);
  CHECK(node.take_calls() == Lines{"TERM 1"});
  node.run_until(40s);
  CHECK(node.take_calls() == Lines{"KILL 1"});
  node.end(1, kKilled);
  CHECK(node.take_lines() ==
        Lines{"stop_escalated a 1", "run_ended a 1 timed_out: ran longer than its timeout of 30s"});
  CHECK(node.supervisor->status().at(0).failure_count == 1);
}

TEST_CASE("a run that exits at the very instant of its timeout is not stopped", "[supervisor]") {
  Config config = with_tasks({task_config("a")});
  config.tasks[0].timeout = 30s;
  TestNode node(config);
  node.start();
  node.forget();
  node.clock.time = at(30s);
  node.end(1);
  CHECK(node.take_lines() == Lines{"run_ended a 1 ok"});
  CHECK(node.take_calls().empty());
}

TEST_CASE("output held open by a descendant is given up", "[supervisor]") {
  TestNode node(with_tasks({task_config("a")}));
  node.start();
  node.forget();
  node.post(Exited{{1}, {}, ""});
  node.step();
  node.run_until(2s - 1ns);
  CHECK(node.supervisor->worker_count() == 1);
  CHECK(node.take_calls().empty());
  node.run_until(2s);
  CHECK(node.take_calls() == Lines{"close 1"});
  node.post(ChannelClosed{{1}});
  node.step();
  CHECK(node.take_lines() == Lines{"output_abandoned a 1", "run_ended a 1 ok"});
}

TEST_CASE("a remembered end is honoured, and one from the future is told", "[supervisor]") {
  Config config = with_tasks({task_config("a"), task_config("b")});
  config.tasks[0].persist = config.tasks[1].persist = true;
  const WallTime now(std::chrono::hours(500'000));
  TestNode node(config, {0, "n", {{"a", now - 20s}, {"b", now + 20s}}});
  node.start();
  CHECK(node.take_lines() == Lines{"last_end_in_future b", "lease_gained: standalone", "run_started b 1"});
  CHECK(node.why(0) == "waits, next run in 40 s");
}

// ---- Inputs and steps -----------------------------------------------------------------------------------------------

TEST_CASE("nothing happens before the start, and a second start changes nothing", "[supervisor]") {
  TestNode node(with_tasks({task_config("a", 10s)}));
  node.step();
  CHECK(node.take_lines().empty());
  node.start();
  node.run_until(4s);
  node.supervisor->start();
  node.run_until(10s);
  CHECK(node.take_calls() == Lines{"spawn a 1"});
}

TEST_CASE("a start asks for a step at once", "[supervisor]") {
  TestNode standalone(with_worker());
  standalone.supervisor->start();
  CHECK(standalone.clock.wake == at(0s));
  CHECK(standalone.why() == "waits, next start in 0 ms");
  standalone.step();
  CHECK(standalone.take_calls() == Lines{"spawn w 1"});
}

TEST_CASE("a step without cause does nothing", "[supervisor]") {
  TestNode node(contested(with_tasks({task_config("a", 10s)})));
  node.become_leader();
  node.forget();
  const Instant wake = node.clock.wake;
  for (int i = 0; i < 3; ++i) node.step();
  CHECK(node.take_lines().empty());
  CHECK(node.take_calls().empty());
  CHECK(node.store.take_requests().empty());
  CHECK(node.clock.wake == wake);
}

TEST_CASE("inputs for runs and requests that nobody knows are ignored", "[supervisor]") {
  TestNode node(contested(with_tasks({task_config("a")})));
  node.start();
  node.forget();
  node.post_end(99);
  node.post(LeaseReply{77, Answer::kGranted, {}, ""});
  node.step();
  node.end(1);
  node.end(1);
  CHECK(node.take_lines() == Lines{"run_ended a 1 ok"});
  CHECK_FALSE(node.supervisor->leader());
}

TEST_CASE("the kinds of input are taken in one order, whatever the order of arrival", "[supervisor]") {
  TestNode node(contested(with_tasks({task_config("a")})));
  node.start();
  node.post(DependencyChanged{Dependency::kRedis, true, ""});
  node.step();
  node.forget();
  node.post(StopRequested{"SIGTERM"});
  node.post(DependencyChanged{Dependency::kRedis, false, "gone"});
  node.post(ChannelClosed{{1}});
  node.post(Exited{{1}, {}, ""});
  node.step();
  // The exit came first, so there was nothing left to signal.
  CHECK(node.take_calls().empty());
  CHECK(node.take_lines() == Lines{"stopping: SIGTERM", "dependency_down redis: gone", "run_ended a 1 ok"});
}

TEST_CASE("the same inputs and seed give the same run", "[supervisor]") {
  const auto story = [](std::uint64_t seed) {
    Config config = with_worker();
    config.tasks = {task_config("a")};
    config.tasks[0].jitter = 10s;
    TestNode node(config, {seed, "n", {}});
    node.start();
    std::vector<Instant> instants;
    for (std::uint64_t i = 0; i < 50; ++i) {
      for (std::uint64_t run = node.host.spawned.size(); run > 0; --run) node.post_end(run, kExit1);
      node.step();
      instants.push_back(node.clock.wake);
      node.run_until(node.clock.wake.time_since_epoch());
    }
    return instants;
  };
  CHECK(story(1) == story(1));
  CHECK(story(1) != story(2));
}

// ---- Dependencies ---------------------------------------------------------------------------------------------------

TEST_CASE("a due task is held while what it needs is away, and runs as soon as it returns", "[supervisor]") {
  Config config = contested(with_tasks({task_config("a")}));
  config.tasks[0].dependencies.insert(Dependency::kRedis);
  TestNode node(config);
  node.start();
  CHECK(node.take_lines() == Lines{"task_held a: redis has been unreachable for 0 ms (not reached yet)"});
  node.run_until(3s);
  node.post(DependencyChanged{Dependency::kRedis, true, ""});
  node.step();
  const Lines lines = node.take_lines();
  REQUIRE(lines.size() >= 2);
  CHECK(lines[lines.size() - 2] == "dependency_up redis");
  CHECK(lines.back() == "run_started a 1");
}

TEST_CASE("a dependency's first failure is told, and each change after it", "[supervisor]") {
  Config config;
  config.kg = KgConfig{};
  TestNode node(config);
  node.start();
  node.forget();
  const auto report = [&node](bool reachable, const std::string& cause) {
    node.post(DependencyChanged{Dependency::kKg, reachable, cause});
    node.step();
    return node.take_lines();
  };
  CHECK(report(false, "connect: Connection refused") == Lines{"dependency_down kg: connect: Connection refused"});
  CHECK(report(true, "") == Lines{"dependency_up kg"});
  CHECK(report(true, "").empty());
  CHECK(report(false, "gone") == Lines{"dependency_down kg: gone"});
}

TEST_CASE("a dependency that goes away does not touch what runs", "[supervisor]") {
  Config config = contested(with_tasks({task_config("a")}));
  config.tasks[0].dependencies.insert(Dependency::kRedis);
  TestNode node(config);
  node.start();
  node.post(DependencyChanged{Dependency::kRedis, true, ""});
  node.step();
  node.forget();
  node.post(DependencyChanged{Dependency::kRedis, false, "gone"});
  node.step();
  CHECK(node.take_calls().empty());
  CHECK(node.supervisor->status().at(0).running);
}

// ---- Status ---------------------------------------------------------------------------------------------------------

TEST_CASE("at any time every task and worker can say why it does not run", "[supervisor]") {
  Config config = contested(with_worker());
  config.kg = KgConfig{};
  config.scheduler.max_concurrent_runs = 1;
  config.tasks = {task_config("runs"), task_config("full", 1s), task_config("waits", 60s), task_config("held", 1s),
                  task_config("off")};
  config.tasks[3].dependencies.insert(Dependency::kKg);
  config.tasks[4].enabled = false;
  TestNode node(config);
  for (const TaskStatus& status : node.supervisor->status()) {
    if (status.name != "off") CHECK(status.why == "the scheduler is not running");
  }
  node.become_leader();
  node.end(2, kExit1);
  node.run_until(4s);
  node.post(DependencyChanged{Dependency::kKg, false, "loading"});
  node.step();

  const std::vector<TaskStatus> all = node.supervisor->status();
  REQUIRE(all.size() == 6);
  CHECK(all[0].running);
  CHECK(all[0].why == "running for 4 s");
  CHECK(all[1].why == "due for 3 s, but all 1 places are taken (scheduler.max_concurrent_runs)");
  CHECK(all[2].why == "waits, next run in 56 s");
  CHECK(all[3].why == "due for 3 s, but kg has been unreachable for 4 s (loading)");
  CHECK(all[4].why == "disabled by enabled = false");
  CHECK(all[5].name == "w");
  CHECK(all[5].supervised);
  CHECK(all[5].run_count == 2);
  CHECK(all[5].failure_count == 1);
  for (std::size_t place = 0; place < 5; ++place) CHECK_FALSE(all[place].supervised);
}

TEST_CASE("a run id names one run in all starts and nodes", "[supervisor]") {
  TestNode node(with_tasks({task_config("a")}));
  CHECK(node.supervisor->run_id_text({7}) == "n-7");
}

TEST_CASE("a task that runs once does not come back, and says so", "[supervisor]") {
  TaskConfig once = task_config("a");
  once.once = true;
  TestNode node(with_tasks({once}));
  node.start();
  CHECK(node.why() == "running for 0 ms");
  node.end(1);
  node.run_until(10 * once.interval);
  CHECK(node.supervisor->status()[0].run_count == 1);
  CHECK(node.why() == "has run, once");
}

TEST_CASE("why the last run was skipped stays visible until the next one", "[supervisor]") {
  TestNode node(with_tasks({task_config("a")}));
  node.start();
  node.end(1, kSkipped);
  CHECK(node.why() == "waits, next run in 60 s; the last run was skipped: exit code 77");
  node.run_until(60s);
  node.end(2);
  CHECK(node.why() == "waits, next run in 60 s");
}

TEST_CASE("what a worker reports and how far it is go through the inbox", "[supervisor]") {
  TaskConfig task = task_config("a");
  task.job = PythonJob{"module:function"};
  TestNode node(with_tasks({task}));
  node.start();
  node.post(ProgressReported{{1}, 1, 2, "half"});
  node.step();
  CHECK(node.why() == "running for 0 ms, 1 of 2: half");
  node.forget();
  node.post_end(1);
  node.post(RunReported{{1}, Outcome::kFailed, "no", "ValueError"});
  node.step();
  CHECK(node.take_lines() == Lines{"run_ended a 1 failed: no"});
}

TEST_CASE("what was refused goes through the inbox before the run's end", "[supervisor]") {
  TaskConfig task = task_config("a");
  task.job = PythonJob{"module:function"};
  TestNode node(with_tasks({task}));
  node.start();
  node.forget();
  node.post_end(1);
  node.post(SayingRefused{{1}, "this line is not JSON"});
  node.step();
  CHECK(node.take_lines() == Lines{"run_ended a 1 failed: it ended without a result: exit code 0; what it wrote to its "
                                   "fd 3 was refused: this line is not JSON"});
}
