#include "core/gate.h"

#include <initializer_list>

#include "unit/catch.h"
#include "unit/fakes.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

TaskConfig task_that_needs(std::initializer_list<Dependency> dependencies, RunOn run_on = RunOn::kEveryNode) {
  TaskConfig task;
  for (const Dependency dependency : dependencies) task.dependencies.insert(dependency);
  task.run_on = run_on;
  return task;
}

}  // namespace

TEST_CASE("what nobody watches is always reachable", "[gate]") {
  const Gates gates;
  CHECK(gates.open(task_that_needs({})));
  CHECK(gates.open(task_that_needs({Dependency::kOpenrouter, Dependency::kBotRunner, Dependency::kConfig})));
}

TEST_CASE("what is watched is unreachable until it is reached", "[gate]") {
  Gates gates;
  gates.watch(Dependency::kRedis, at(1s));
  const TaskConfig task = task_that_needs({Dependency::kRedis});
  CHECK_FALSE(gates.open(task));
  CHECK(gates.closed_reason(task, at(3s)) == "redis has been unreachable for 2 s (not reached yet)");
  CHECK(gates.set_reachable(Dependency::kRedis, true, "", at(3s)));
  CHECK(gates.open(task));
}

TEST_CASE("a task waits for what it needs and for nothing else", "[gate]") {
  Gates gates;
  gates.set_reachable(Dependency::kKg, false, "gone", at(1s));
  CHECK(gates.open(task_that_needs({Dependency::kRedis})));
  CHECK_FALSE(gates.open(task_that_needs({Dependency::kRedis, Dependency::kKg})));
}

TEST_CASE("the time counts from the last change, the cause is the newest", "[gate]") {
  Gates gates;
  const TaskConfig task = task_that_needs({Dependency::kRedis});
  CHECK(gates.set_reachable(Dependency::kRedis, false, "connect: Connection refused", at(10s)));
  CHECK_FALSE(gates.set_reachable(Dependency::kRedis, false, "connect: timed out", at(12s)));
  CHECK(gates.closed_reason(task, at(13200ms)) == "redis has been unreachable for 3.2 s (connect: timed out)");
  CHECK(gates.set_reachable(Dependency::kRedis, true, "", at(14s)));
  CHECK_FALSE(gates.set_reachable(Dependency::kRedis, true, "", at(15s)));
}

TEST_CASE("a task of the leader runs on the leader only", "[gate]") {
  Gates gates;
  const TaskConfig task = task_that_needs({}, RunOn::kLeader);
  CHECK_FALSE(gates.open(task));
  CHECK(gates.closed_reason(task, at(0s)) == "this node is not the leader");
  gates.set_leader(true, true);
  CHECK(gates.open(task));
  gates.set_leader(false, true);
  CHECK_FALSE(gates.open(task));
}

TEST_CASE("every closed gate is named", "[gate]") {
  Gates gates;
  gates.set_reachable(Dependency::kKg, false, "loading", at(0s));
  gates.set_reachable(Dependency::kRedis, false, "gone", at(1s));
  const TaskConfig task = task_that_needs({Dependency::kKg, Dependency::kRedis}, RunOn::kLeader);
  CHECK(gates.closed_reason(task, at(2s)) ==
        "redis has been unreachable for 1 s (gone); kg has been unreachable for 2 s (loading); "
        "this node is not the leader");
}
