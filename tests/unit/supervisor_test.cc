#include "core/supervisor.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/restart.h"
#include "unit/catch.h"
#include "unit/fakes.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

using Answer = LeaseReply::Answer;
using Lines = std::vector<std::string>;

// "run_ended a 1 failed: exit code 1"; what an event does not have is left out.
std::string line_of(const Event& event) {
  std::string line = name_of(event.kind);
  if (!event.task.empty()) line += " " + event.task;
  if (event.run.number != 0) line += " " + std::to_string(event.run.number);
  if (event.kind == EventKind::kRunEnded || event.kind == EventKind::kWorkerEnded) {
    line += std::string(" ") + name_of(event.outcome);
  }
  return event.detail.empty() ? line : line + ": " + event.detail;
}

TaskConfig task_config(const std::string& name, Duration initial_delay = 0s) {
  TaskConfig task;
  task.name = name;
  task.interval = 60s;
  task.initial_delay = initial_delay;
  task.timeout = 0s;
  return task;
}

TaskConfig leader_task(const std::string& name) {
  TaskConfig task = task_config(name);
  task.run_on = RunOn::kLeader;
  return task;
}

SupervisedConfig worker_config(const std::string& name) {
  SupervisedConfig worker;
  worker.name = name;
  return worker;
}

Config with_tasks(std::vector<TaskConfig> tasks) {
  Config config;
  config.tasks = std::move(tasks);
  return config;
}

Config with_worker() {
  Config config;
  config.supervised = {worker_config("w")};
  return config;
}

// One node on scripted seams. With [redis] it contends for the lease; otherwise it is standalone.
class Node {
 public:
  explicit Node(Config config, SupervisorOptions options = {0, "n", {}}) {
    if (config.redis) contests_ = true;
    Registry registry = build_registry(config, [](const Job&) { return std::string(); });
    clock.wall_time = WallTime(std::chrono::hours(500'000));
    supervisor = std::make_unique<Supervisor>(std::move(config), std::move(registry), clock,
                                              contests_ ? &store : nullptr, host, std::move(options));
  }

  // Steps at each instant that was asked for up to `until`, and then at `until`.
  void run_until(Duration until) {
    while (clock.wake <= at(until)) {
      clock.time = std::max(clock.time, clock.wake);
      supervisor->step();
      REQUIRE(clock.wake > clock.time);  // what was due has been done
    }
    clock.time = at(until);
    supervisor->step();
  }
  void start() {
    supervisor->start();
    run_until(0s);
  }
  void step() { supervisor->step(); }

  template <typename T>
  void post(T input) {
    supervisor->post(Input(std::move(input)));
  }
  void post_end(std::uint64_t run, ExitStatus status = {}) {
    post(Exited{{run}, status, ""});
    post(ChannelClosed{{run}});
  }
  // All of the run is over, now.
  void end(std::uint64_t run, ExitStatus status = {}) {
    post_end(run, status);
    step();
  }
  // The reply to the last request to the store, now.
  void answer(Answer answer, const std::string& holder = "") {
    LeaseReply reply;
    reply.id = store.last_id;
    reply.answer = answer;
    reply.holder = holder;
    reply.remaining = holder.empty() ? 0s : 30s;
    post(reply);
    step();
  }
  void become_leader() {
    start();
    post(DependencyChanged{Dependency::kRedis, true, ""});
    step();
    answer(Answer::kGranted);
    REQUIRE(supervisor->leader());
  }
  void stop(const std::string& cause = "SIGTERM") {
    post(StopRequested{cause});
    step();
  }

  std::vector<Event> take_events() { return supervisor->take_events(); }
  Lines take_lines() {
    Lines lines;
    for (const Event& event : take_events()) lines.push_back(line_of(event));
    return lines;
  }
  Lines take_calls() { return host.take_calls(); }
  // Forgets what has happened so far.
  void forget() {
    take_events();
    take_calls();
    store.take_requests();
  }
  std::string why(std::size_t place = 0) const { return supervisor->status().at(place).why; }

  FakeClock clock;
  FakeLeaseStore store;
  FakeWorkerHost host;
  std::unique_ptr<Supervisor> supervisor;

 private:
  bool contests_ = false;
};

Config contested(Config config) {
  config.redis = RedisConfig{};
  return config;
}

constexpr ExitStatus kExit1{1, 0};
constexpr ExitStatus kSkipped{77, 0};
constexpr ExitStatus kTerminated{0, 15};
constexpr ExitStatus kKilled{0, 9};

}  // namespace

// ---- The interval loop ----------------------------------------------------------------------------------------------

TEST_CASE("a task runs, ends, and runs again an interval after its end", "[supervisor]") {
  Node node(with_tasks({task_config("a", 10s)}));
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
  Node node(with_tasks({task_config("a")}));
  node.start();
  node.forget();
  node.end(1, status);
  CHECK(node.take_lines() == Lines{line});
  CHECK(node.supervisor->status().at(0).run_count == 1);
  CHECK(node.supervisor->status().at(0).failure_count == failures);
  node.run_until(60s);
  CHECK(node.take_lines() == Lines{"run_started a 2"});
}

TEST_CASE("a native job that failed says why", "[supervisor]") {
  Node node(with_tasks({task_config("a")}));
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
  Node node(config);
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
  Node node(config);
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
  Node node(config);
  node.start();
  CHECK(node.take_calls() == Lines{"spawn a 1", "spawn c 2"});
  CHECK(node.take_lines() == Lines{"lease_gained: standalone", "run_started a 1", "run_started c 2",
                                   "task_held b: due for 0 ms, but pool llm is full (1 of 1)"});
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
  Node node(config);
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
  Node node(config);
  node.start();
  node.forget();
  node.clock.time = at(30s);
  node.end(1);
  CHECK(node.take_lines() == Lines{"run_ended a 1 ok"});
  CHECK(node.take_calls().empty());
}

TEST_CASE("output held open by a descendant is given up", "[supervisor]") {
  Node node(with_tasks({task_config("a")}));
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
  Node node(config, {0, "n", {{"a", now - 20s}, {"b", now + 20s}}});
  node.start();
  CHECK(node.take_lines() == Lines{"last_end_in_future b", "lease_gained: standalone", "run_started b 1"});
  CHECK(node.why(0) == "waits, next run in 40 s");
}

// ---- Inputs and steps -----------------------------------------------------------------------------------------------

TEST_CASE("nothing happens before the start, and a second start changes nothing", "[supervisor]") {
  Node node(with_tasks({task_config("a", 10s)}));
  node.step();
  CHECK(node.take_lines().empty());
  node.start();
  node.run_until(4s);
  node.supervisor->start();
  node.run_until(10s);
  CHECK(node.take_calls() == Lines{"spawn a 1"});
}

TEST_CASE("a start asks for a step at once", "[supervisor]") {
  Node standalone(with_worker());
  standalone.supervisor->start();
  CHECK(standalone.clock.wake == at(0s));
  CHECK(standalone.why() == "waits, next start in 0 ms");
  standalone.step();
  CHECK(standalone.take_calls() == Lines{"spawn w 1"});
}

TEST_CASE("a step without cause does nothing", "[supervisor]") {
  Node node(contested(with_tasks({task_config("a", 10s)})));
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
  Node node(contested(with_tasks({task_config("a")})));
  node.start();
  node.forget();
  node.post_end(99);
  node.post(LeaseReply{77, Answer::kGranted, "", {}, ""});
  node.step();
  node.end(1);
  node.end(1);
  CHECK(node.take_lines() == Lines{"run_ended a 1 ok"});
  CHECK_FALSE(node.supervisor->leader());
}

TEST_CASE("the kinds of input are taken in one order, whatever the order of arrival", "[supervisor]") {
  Node node(contested(with_tasks({task_config("a")})));
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
    Node node(config, {seed, "n", {}});
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
  Node node(config);
  node.start();
  CHECK(node.take_lines() ==
        Lines{"task_held a: due for 0 ms, but redis has been unreachable for 0 ms (not reached yet)"});
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
  Node node(config);
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
  Node node(config);
  node.start();
  node.post(DependencyChanged{Dependency::kRedis, true, ""});
  node.step();
  node.forget();
  node.post(DependencyChanged{Dependency::kRedis, false, "gone"});
  node.step();
  CHECK(node.take_calls().empty());
  CHECK(node.supervisor->status().at(0).running);
}

// ---- Supervised workers ---------------------------------------------------------------------------------------------

TEST_CASE("a supervised worker starts again after a pause that depends on how it ended", "[supervisor]") {
  const auto [status, line, pause] = GENERATE(table<ExitStatus, std::string, Duration>({
      {{}, "worker_ended w 1 ok", kCleanReturnPause},
      {kSkipped, "worker_ended w 1 skipped: exit code 77", kCleanReturnPause},
      {kExit1, "worker_ended w 1 failed: exit code 1", kCrashBackoffMin},
  }));
  Node node(with_worker());
  node.start();
  CHECK(node.take_lines() == Lines{"lease_gained: standalone", "worker_started w 1"});
  node.take_calls();
  node.end(1, status);
  const std::vector<Event> events = node.take_events();
  REQUIRE(events.size() == 1);
  CHECK(line_of(events[0]) == line);
  CHECK(events[0].delay >= pause);
  CHECK(events[0].delay <= pause + pause / 10);
  CHECK(node.why() == "waits, next start in " + approximate_duration(events[0].delay));
  node.run_until(events[0].delay - 1ns);
  CHECK(node.take_calls().empty());
  node.run_until(events[0].delay);
  CHECK(node.take_calls() == Lines{"spawn w 2"});
}

TEST_CASE("a supervised worker that cannot be started is tried again with a growing pause", "[supervisor]") {
  Node node(with_worker());
  node.host.refusal = "no memory";
  node.start();
  Duration now = 0s;
  for (const Duration pause : {1s, 2s, 4s, 8s}) {
    const std::vector<Event> events = node.take_events();
    const Event& ended = events.back();
    CHECK(line_of(ended).ends_with("spawn_failed: no memory"));
    CHECK((ended.delay >= pause && ended.delay <= pause + pause / 10));
    now += ended.delay;
    node.run_until(now);
  }
  CHECK(node.supervisor->status().at(0).failure_count == 5);
  CHECK(node.supervisor->status().at(0).run_count == 5);
  CHECK(node.take_calls().empty());
}

TEST_CASE("supervised workers take no place of the tasks", "[supervisor]") {
  Config config = with_tasks({task_config("a")});
  config.supervised = {worker_config("w"), worker_config("x")};
  config.scheduler.max_concurrent_runs = 1;
  Node node(config);
  node.start();
  CHECK(node.take_calls() == Lines{"spawn a 1", "spawn w 2", "spawn x 3"});
}

TEST_CASE("a supervised worker that is turned off never starts and says why", "[supervisor]") {
  Config config = with_worker();
  config.supervised[0].enabled = false;
  Node node(config);
  node.start();
  CHECK(node.take_calls().empty());
  CHECK(node.why() == "disabled by enabled = false");
}

TEST_CASE("a supervised worker's grace is cut to what the lease leaves", "[supervisor]") {
  const auto [configured, grace] = GENERATE(table<Duration, Duration>({
      {0s, 7s},
      {3s, 3s},
      {60s, 7s},
  }));
  Config config = with_worker();
  config.supervised[0].stop_grace = configured;
  Node node(config);
  node.start();
  node.forget();
  node.stop();
  CHECK(node.take_calls() == Lines{"TERM 1"});
  node.run_until(grace - 1ns);
  CHECK(node.take_calls().empty());
  node.run_until(grace);
  CHECK(node.take_calls() == Lines{"KILL 1"});
}

// ---- The lease ------------------------------------------------------------------------------------------------------

namespace {

// A supervised worker, a task for the leader, and one for every node.
Config lease_config() {
  Config config = contested(with_worker());
  config.tasks = {leader_task("a"), task_config("b")};
  return config;
}

}  // namespace

TEST_CASE("only the leader runs supervised workers and the leader's tasks", "[supervisor]") {
  Node node(lease_config());
  node.start();
  CHECK(node.take_calls() == Lines{"spawn b 1"});
  CHECK(node.take_lines() == Lines{"run_started b 1", "task_held a: due for 0 ms, but this node is not the leader"});
  CHECK(node.why(2) == "this node is not the leader");
  node.post(DependencyChanged{Dependency::kRedis, true, ""});
  node.step();
  CHECK(node.store.take_requests() == Lines{"acquire"});
  node.answer(Answer::kHeld, "other");
  CHECK(node.take_lines() == Lines{"dependency_up redis", "lease_held: other"});

  node.run_until(10s);
  CHECK(node.store.take_requests() == Lines{"acquire"});
  node.answer(Answer::kGranted);
  CHECK(node.take_lines() == Lines{"lease_gained", "run_started a 2", "worker_started w 3"});
  CHECK(node.take_calls() == Lines{"spawn a 2", "spawn w 3"});
}

TEST_CASE("a lost lease stops what runs in its name, and a regained one starts it again", "[supervisor]") {
  Node node(lease_config());
  node.become_leader();
  node.forget();
  node.run_until(10s);
  CHECK(node.store.take_requests() == Lines{"renew"});
  node.answer(Answer::kHeld, "other");
  CHECK(node.take_calls() == Lines{"TERM 2", "TERM 3"});
  CHECK(node.take_lines() == Lines{"lease_held: other", "lease_lost: lost to other"});
  CHECK(node.supervisor->status().at(1).running);  // a task of every node goes on

  node.end(2, kTerminated);
  CHECK(node.store.take_requests().empty());  // one worker is left
  node.end(3, kTerminated);
  CHECK(node.take_lines() == Lines{"run_ended a 2 cancelled: the lease was lost: lost to other",
                                   "worker_ended w 3 cancelled: the lease was lost: lost to other"});
  CHECK(node.supervisor->status().at(0).failure_count == 0);
  CHECK(node.supervisor->status().at(2).failure_count == 0);

  node.run_until(20s);
  REQUIRE(node.store.take_requests() == Lines{"acquire"});
  node.answer(Answer::kGranted);
  CHECK(node.take_calls() == Lines{"spawn w 4"});  // the task waits for its interval
  node.run_until(29s);
  CHECK(node.why(0) == "waits, next run in 41 s");
}

TEST_CASE("an unrenewed leader stops its workers at the soft stop and kills them at the hard kill", "[supervisor]") {
  Config config = lease_config();
  config.tasks[0].stop_grace = 20s;  // longer than the lease allows
  Node node(config);
  node.become_leader();
  node.forget();
  node.run_until(18s - 1ns);
  CHECK(node.store.take_requests() == Lines{"renew", "renew", "renew"});
  CHECK(node.take_calls().empty());
  CHECK(node.take_lines() == Lines{"lease_request_failed: no answer within 2s"});
  node.run_until(18s);
  CHECK(node.take_calls() == Lines{"TERM 2", "TERM 3"});
  CHECK(node.take_lines() == Lines{"lease_lost: not renewed for 18 s"});
  node.run_until(25s - 1ns);
  CHECK(node.take_calls().empty());
  node.run_until(25s);
  CHECK(node.take_calls() == Lines{"KILL 3", "KILL 2"});
  CHECK(node.take_lines() == Lines{"stop_escalated w 3", "stop_escalated a 2"});
}

TEST_CASE("a node that was suspended past its lease kills at once and starts nothing in its name", "[supervisor]") {
  Node node(lease_config());
  node.become_leader();
  node.end(2);  // the leader's task will be due again
  node.forget();
  node.clock.time = at(3600s);
  node.step();
  CHECK(node.take_calls() == Lines{"TERM 3", "KILL 3"});
  CHECK(node.take_lines() == Lines{"lease_lost: not renewed for 60 min", "stop_escalated w 3",
                                   "task_held a: due for 59 min, but this node is not the leader"});
  CHECK_FALSE(node.supervisor->leader());
}

TEST_CASE("a failure of the store is told once, with the time until the next try", "[supervisor]") {
  Node node(contested(Config{}));
  node.become_leader();
  node.forget();
  node.run_until(10s);
  for (int i = 0; i < 3; ++i) {
    LeaseReply reply;
    reply.id = node.store.last_id;
    reply.cause = "LOADING";
    node.post(reply);
    node.step();
    node.run_until(11s + i * 1s);
  }
  const std::vector<Event> events = node.take_events();
  REQUIRE(events.size() == 1);
  CHECK(line_of(events[0]) == "lease_request_failed: LOADING");
  CHECK(events[0].delay == 1s);
  CHECK(node.store.take_requests() == Lines{"renew", "renew", "renew", "renew"});
}

// ---- Stopping -------------------------------------------------------------------------------------------------------

TEST_CASE("with nothing to stop, a standalone node has stopped at once", "[supervisor]") {
  Node node(Config{});
  node.start();
  node.forget();
  node.stop();
  CHECK(node.supervisor->stopped());
  CHECK(node.take_lines() == Lines{"stopping: SIGTERM", "stopped"});
  CHECK(node.clock.wake == kNever);
  node.stop();
  CHECK(node.take_lines().empty());
}

TEST_CASE("a stop ends everything in order: workers, lease, stopped", "[supervisor]") {
  Node node(lease_config());
  node.become_leader();
  node.forget();
  node.stop();
  CHECK(node.take_calls() == Lines{"TERM 1", "TERM 2", "TERM 3"});
  CHECK(node.take_lines() == Lines{"stopping: SIGTERM"});
  CHECK_FALSE(node.supervisor->stopped());

  node.run_until(1s);
  node.end(3, kTerminated);
  CHECK(node.store.take_requests().empty());
  node.end(2);
  CHECK(node.store.take_requests() == Lines{"release"});  // the lease need not wait for other tasks
  CHECK_FALSE(node.supervisor->leader());
  node.answer(Answer::kReleased);
  CHECK_FALSE(node.supervisor->stopped());
  node.end(1, kTerminated);
  CHECK(node.supervisor->stopped());
  CHECK(node.take_lines() == Lines{"worker_ended w 3 cancelled: the scheduler is stopping",
                                   "run_ended a 2 cancelled: the scheduler is stopping", "lease_released",
                                   "run_ended b 1 cancelled: the scheduler is stopping", "stopped"});
}

TEST_CASE("a node that stops starts nothing more", "[supervisor]") {
  Config config = lease_config();
  config.tasks.push_back(task_config("c", 5s));
  Node node(config);
  node.become_leader();
  node.forget();
  node.stop();
  node.take_calls();
  node.end(3, kExit1);
  node.end(1);
  node.run_until(9s);
  for (const std::string& call : node.take_calls()) CHECK_FALSE(call.starts_with("spawn"));
  CHECK(node.why(1) == "the scheduler is not running");
  CHECK(node.why(2) == "the scheduler is not running");  // c
  CHECK(node.why(3) == "the scheduler is not running");  // w
  CHECK(node.why(0).starts_with("running for"));
}

TEST_CASE("a release that is not answered holds the stop up for request_timeout only", "[supervisor]") {
  Node node(contested(Config{}));
  node.become_leader();
  node.forget();
  node.stop();
  CHECK(node.store.take_requests() == Lines{"release"});
  node.run_until(2s - 1ns);
  CHECK_FALSE(node.supervisor->stopped());
  node.run_until(2s);
  CHECK(node.take_lines() == Lines{"stopping: SIGTERM", "stopped"});  // not "lease_released"
}

TEST_CASE("a second request to stop kills", "[supervisor]") {
  Node node(with_tasks({task_config("a"), task_config("b")}));
  node.start();
  node.forget();
  node.stop("SIGTERM");
  node.stop("SIGINT");
  CHECK(node.take_calls() == Lines{"TERM 1", "TERM 2", "KILL 1", "KILL 2"});
  CHECK(node.take_lines() ==
        Lines{"stopping: SIGTERM", "stop_hurried: SIGINT", "stop_escalated a 1", "stop_escalated b 2"});
  node.post_end(1, kKilled);
  node.end(2, kKilled);
  CHECK(node.supervisor->stopped());
}

TEST_CASE("whatever is left is killed shortly before the stop deadline, and given up at it", "[supervisor]") {
  Config config = with_tasks({task_config("a")});
  config.tasks[0].stop_grace = 29s;
  config.scheduler.stop_deadline = 30s;
  Node node(config);
  node.start();
  node.forget();
  node.stop();
  node.run_until(25s - 1ns);
  CHECK(node.take_calls() == Lines{"TERM 1"});
  node.run_until(25s);
  CHECK(node.take_calls() == Lines{"KILL 1"});
  node.run_until(30s - 1ns);
  CHECK_FALSE(node.supervisor->stopped());
  node.run_until(30s);
  CHECK(node.supervisor->stopped());
  CHECK(node.take_lines() == Lines{"stopping: SIGTERM", "stop_escalated a 1", "stop_overdue: a (run 1)", "stopped"});
  CHECK(node.clock.wake == kNever);
}

TEST_CASE("a short stop deadline kills a third before it", "[supervisor]") {
  Config config = with_tasks({task_config("a")});
  config.scheduler.stop_deadline = 3s;
  Node node(config);
  node.start();
  node.forget();
  node.stop();
  node.run_until(2s);
  CHECK(node.take_calls() == Lines{"TERM 1", "KILL 1"});
}

TEST_CASE("a stop that is overdue for want of the lease's release says so", "[supervisor]") {
  Config config = contested(Config{});
  config.scheduler.stop_deadline = 1s;
  Node node(config);
  node.become_leader();
  node.forget();
  node.stop();
  node.run_until(1s);
  CHECK(node.take_lines() == Lines{"stopping: SIGTERM", "stop_overdue: the release of the lease", "stopped"});
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
  Node node(config);
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
  Node node(with_tasks({task_config("a")}));
  CHECK(node.supervisor->run_id_text({7}) == "n-7");
}
