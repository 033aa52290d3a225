// How a node stops: in order, in a hurry, and too late.
#include <string>

#include "core/supervisor.h"
#include "unit/catch.h"
#include "unit/test_node.h"

using namespace std::chrono_literals;
using namespace stargazer;

TEST_CASE("with nothing to stop, a standalone node has stopped at once", "[supervisor]") {
  TestNode node(Config{});
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
  TestNode node(lease_config());
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
  TestNode node(config);
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
  TestNode node(contested(Config{}));
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
  TestNode node(with_tasks({task_config("a"), task_config("b")}));
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
  TestNode node(config);
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
  TestNode node(config);
  node.start();
  node.forget();
  node.stop();
  node.run_until(2s);
  CHECK(node.take_calls() == Lines{"TERM 1", "KILL 1"});
}

TEST_CASE("a stop that is overdue for want of the lease's release says so", "[supervisor]") {
  Config config = contested(Config{});
  config.scheduler.stop_deadline = 1s;
  TestNode node(config);
  node.become_leader();
  node.forget();
  node.stop();
  node.run_until(1s);
  CHECK(node.take_lines() == Lines{"stopping: SIGTERM", "stop_overdue: the release of the lease", "stopped"});
}
