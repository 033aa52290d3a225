// One node as the tests of the supervisor drive it: a supervisor on the scripted seams of unit/fakes.h.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/supervisor.h"
#include "unit/catch.h"
#include "unit/fakes.h"

namespace stargazer {

using Answer = LeaseReply::Answer;
using Lines = std::vector<std::string>;

// "run_ended a 1 failed: exit code 1"; what an event does not have is left out.
inline std::string line_of(const Event& event) {
  std::string line = name_of(event.kind);
  if (!event.task.empty()) line += " " + event.task;
  if (event.run.number != 0) line += " " + std::to_string(event.run.number);
  if (event.kind == EventKind::kRunEnded || event.kind == EventKind::kWorkerEnded) {
    line += std::string(" ") + name_of(event.outcome);
  }
  return event.detail.empty() ? line : line + ": " + event.detail;
}

inline TaskConfig task_config(const std::string& name, Duration initial_delay = {}) {
  TaskConfig task;
  task.name = name;
  task.interval = std::chrono::seconds(60);
  task.initial_delay = initial_delay;
  task.timeout = std::chrono::seconds(0);
  return task;
}

inline TaskConfig leader_task(const std::string& name) {
  TaskConfig task = task_config(name);
  task.run_on = RunOn::kLeader;
  return task;
}

inline SupervisedConfig worker_config(const std::string& name) {
  SupervisedConfig worker;
  worker.name = name;
  return worker;
}

inline Config with_tasks(std::vector<TaskConfig> tasks) {
  Config config;
  config.tasks = std::move(tasks);
  return config;
}

inline Config with_worker() {
  Config config;
  config.supervised = {worker_config("w")};
  return config;
}

// The same with Redis, so that the node contends for the lease.
inline Config contested(Config config) {
  config.redis = RedisConfig{};
  return config;
}

// A supervised worker, a task for the leader, and one for every node.
inline Config lease_config() {
  Config config = contested(with_worker());
  config.tasks = {leader_task("a"), task_config("b")};
  return config;
}

// One node on scripted seams. With [redis] it contends for the lease; otherwise it is standalone.
class TestNode {
 public:
  explicit TestNode(Config config, SupervisorOptions options = {0, "n", {}, false, {7, "run-a"}, {}}) {
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
    run_until({});
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
  // The reply to the last request to the store, now. A node that only looked is first let see that it may take the
  // lease, so that it asks for what it is then granted.
  void answer(Answer answer, const std::string& holder = "") {
    if (answer == Answer::kGranted && store.last_action == "observe") reply(Answer::kFree, "", "old");
    reply(answer, holder, "");
  }
  void reply(Answer answer, const std::string& holder, const std::string& released_by) {
    LeaseReply reply;
    reply.id = store.last_id;
    reply.answer = answer;
    reply.facts.holder = answer == Answer::kGranted ? "this" : holder;
    reply.facts.own = answer == Answer::kGranted;
    reply.facts.remaining = reply.facts.holder.empty() ? std::chrono::seconds(0) : std::chrono::seconds(30);
    if (answer == Answer::kGranted && store.last_action == "acquire") ++epoch;
    reply.facts.epoch = epoch;
    reply.facts.released_by = released_by;
    reply.facts.store_time = std::chrono::seconds(1000) + clock.time.time_since_epoch();
    reply.facts.server = "run-a";
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

  std::uint64_t epoch = 7;  // that the store knows
  FakeClock clock;
  FakeLeaseStore store;
  FakeWorkerHost host;
  std::unique_ptr<Supervisor> supervisor;

 private:
  bool contests_ = false;
};

inline constexpr ExitStatus kExit1{1, 0};
inline constexpr ExitStatus kSkipped{77, 0};
inline constexpr ExitStatus kTerminated{0, 15};
inline constexpr ExitStatus kKilled{0, 9};

}  // namespace stargazer
