// What only a leader does, and what becomes of it when the lease goes.
#include <string>
#include <vector>

#include "core/restart.h"
#include "core/supervisor.h"
#include "unit/catch.h"
#include "unit/test_node.h"

using namespace std::chrono_literals;
using namespace stargazer;

// ---- Supervised workers ---------------------------------------------------------------------------------------------

TEST_CASE("a supervised worker starts again after a pause that depends on how it ended", "[supervisor]") {
  const auto [status, line, pause] = GENERATE(table<ExitStatus, std::string, Duration>({
      {{}, "worker_ended w 1 ok", kCleanReturnPause},
      {kSkipped, "worker_ended w 1 skipped: exit code 77", kCleanReturnPause},
      {kExit1, "worker_ended w 1 failed: exit code 1", kCrashBackoffMin},
  }));
  TestNode node(with_worker());
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
  TestNode node(with_worker());
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
  TestNode node(config);
  node.start();
  CHECK(node.take_calls() == Lines{"spawn a 1", "spawn w 2", "spawn x 3"});
}

TEST_CASE("a supervised worker that is turned off never starts and says why", "[supervisor]") {
  Config config = with_worker();
  config.supervised[0].enabled = false;
  TestNode node(config);
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
  TestNode node(config);
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

TEST_CASE("only the leader runs supervised workers and the leader's tasks", "[supervisor]") {
  TestNode node(lease_config());
  node.start();
  CHECK(node.take_calls() == Lines{"spawn b 1"});
  CHECK(node.take_lines() == Lines{"run_started b 1", "task_held a: this node is not the leader"});
  CHECK(node.why(2) == "this node is not the leader: Redis has not been asked for the lease yet");
  node.post(DependencyChanged{Dependency::kRedis, true, ""});
  node.step();
  CHECK(node.store.take_requests() == Lines{"observe"});
  node.answer(Answer::kHeld, "other");
  CHECK(node.take_lines() == Lines{"dependency_up redis", "lease_held_by_other: other"});
  CHECK(node.why(2) == "this node is not the leader: the lease is held by other");

  node.post(LeaseAnnounced{});
  node.step();
  node.run_until(100ms);
  CHECK(node.store.take_requests() == Lines{"observe"});
  node.reply(Answer::kFree, "", "other");
  CHECK(node.store.take_requests() == Lines{"acquire"});
  node.answer(Answer::kGranted);
  CHECK(node.take_lines() == Lines{"lease_gained", "run_started a 2", "worker_started w 3"});
  CHECK(node.take_calls() == Lines{"spawn a 2", "spawn w 3"});
  for (const std::size_t of_lease : {1U, 2U}) {
    CHECK(node.host.spawned.at(of_lease).epoch == 8);
    CHECK(node.host.spawned.at(of_lease).fuse == at(25100ms));
  }
  CHECK(node.host.spawned.at(0).epoch == 0);
  CHECK(node.host.spawned.at(0).fuse == kNever);
}

TEST_CASE("a grant moves the fuse of what is there in the lease's name, and nothing else does", "[supervisor]") {
  TestNode node(lease_config());
  CHECK(node.host.fuse == kNever);
  node.become_leader();
  CHECK(node.host.fuse == at(25s));
  node.run_until(10s);
  node.answer(Answer::kGranted);
  CHECK(node.host.fuse == at(35s));
  node.run_until(20s);
  node.answer(Answer::kHeld, "other");
  CHECK(node.host.fuse == at(35s));
}

TEST_CASE("a worker that its fuse has ended did not crash", "[supervisor]") {
  TestNode node(contested(with_worker()));
  node.become_leader();
  node.forget();
  node.clock.time = at(60s);
  node.end(1, {0, 9});
  CHECK(node.take_lines() == Lines{"worker_ended w 1 cancelled: its fuse has burnt: the lease was not renewed in time",
                                   "lease_lost: not renewed for 60 s"});
  CHECK(node.supervisor->status().at(0).failure_count == 0);
}

TEST_CASE("a worker of the lease that outlives every deadline is an emergency", "[supervisor]") {
  TestNode node(contested(with_worker()));
  node.become_leader();
  node.run_until(30s - 1ns);
  CHECK_FALSE(node.supervisor->lease_overdue());
  node.run_until(30s);
  CHECK(node.supervisor->lease_overdue());
  node.end(1, {0, 9});
  CHECK_FALSE(node.supervisor->lease_overdue());
}

TEST_CASE("a candidate that holds off says so, and what it remembers is what it has seen", "[supervisor]") {
  TestNode node(lease_config(), {0, "n", {}, false, {}, {}});
  node.start();
  node.post(DependencyChanged{Dependency::kRedis, true, ""});
  node.step();
  node.forget();
  node.reply(Answer::kFree, "", "old");
  const std::vector<Event> events = node.take_events();
  REQUIRE(events.size() == 1);
  CHECK(events[0].kind == EventKind::kLeaseHoldOff);
  CHECK(events[0].delay == 30s);
  CHECK(node.supervisor->lease_memory() == LeaseMemory{7, "run-a"});
}

TEST_CASE("a new leader runs what once a cluster is run only when it knows the last ends", "[supervisor]") {
  TestNode node(lease_config(), {0, "n", {}, true, {7, "run-a"}, {}});
  node.start();
  node.forget();
  node.post(DependencyChanged{Dependency::kRedis, true, ""});
  node.step();
  node.answer(Answer::kGranted);
  CHECK(node.take_calls() == Lines{"spawn w 2"});
  CHECK(node.why(0).ends_with("but Redis has not said yet when the cluster last ran it"));
  const WallTime wall_now = node.clock.wall_time;
  SECTION("and waits for the rest of the interval") {
    node.post(LastEndsLearnt{{{"a", wall_now - 20s}, {"b", wall_now}}});
    node.step();
    CHECK(node.take_calls().empty());
    CHECK(node.why(0) == "waits, next run in 40 s");
    node.run_until(5s);
    node.post(LastEndsLearnt{{{"a", wall_now}}});  // twice in one term: the first counts
    node.step();
    node.run_until(9s);
    CHECK(node.why(0) == "waits, next run in 31 s");
  }
  SECTION("at once when it is due") {
    const WallTime end = GENERATE_COPY(wall_now - 61s, wall_now + 1h);
    node.post(LastEndsLearnt{{{"a", end}}});
    node.step();
    CHECK(node.take_calls() == Lines{"spawn a 3"});
  }
  SECTION("at once when nobody ever ran it") {
    node.post(LastEndsLearnt{});
    node.step();
    CHECK(node.take_calls() == Lines{"spawn a 3"});
  }
}

TEST_CASE("the key of a leader that vanishes is set again", "[supervisor]") {
  TestNode node(lease_config());
  node.become_leader();
  node.run_until(10s);
  node.forget();
  node.reply(Answer::kFree, "", "");
  CHECK(node.store.take_requests() == Lines{"recreate"});
  node.answer(Answer::kGranted);
  CHECK(node.take_lines() == Lines{"lease_recreated"});
}

TEST_CASE("a lost lease stops what runs in its name, and a regained one starts it again", "[supervisor]") {
  TestNode node(lease_config());
  node.become_leader();
  node.forget();
  node.run_until(10s);
  CHECK(node.store.take_requests() == Lines{"renew"});
  node.answer(Answer::kHeld, "other");
  CHECK(node.take_calls() == Lines{"TERM 2", "TERM 3"});
  CHECK(node.take_lines() == Lines{"lease_lost: lost to other"});
  CHECK(node.supervisor->status().at(1).running);  // a task of every node goes on

  node.end(2, kTerminated);
  CHECK(node.store.take_requests().empty());  // one worker is left
  node.end(3, kTerminated);
  CHECK(node.take_lines() == Lines{"run_ended a 2 cancelled: the lease was lost: lost to other",
                                   "worker_ended w 3 cancelled: the lease was lost: lost to other"});
  CHECK(node.supervisor->status().at(0).failure_count == 0);
  CHECK(node.supervisor->status().at(2).failure_count == 0);

  node.run_until(11s);
  REQUIRE(node.store.take_requests() == Lines{"observe"});
  node.reply(Answer::kFree, "", "other");
  node.answer(Answer::kGranted);
  CHECK(node.take_calls() == Lines{"spawn w 4"});  // the task waits for its interval
  node.run_until(20s);
  CHECK(node.why(0) == "waits, next run in 50 s");
}

TEST_CASE("an unrenewed leader stops its workers at the soft stop and kills them at the hard kill", "[supervisor]") {
  Config config = lease_config();
  config.tasks[0].stop_grace = 20s;  // longer than the lease allows
  TestNode node(config);
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
  TestNode node(lease_config());
  node.become_leader();
  node.end(2);  // the leader's task will be due again
  node.forget();
  node.clock.time = at(3600s);
  node.step();
  CHECK(node.take_calls() == Lines{"TERM 3", "KILL 3"});
  CHECK(node.take_lines() ==
        Lines{"lease_lost: not renewed for 60 min", "stop_escalated w 3", "task_held a: this node is not the leader"});
  CHECK_FALSE(node.supervisor->leader());
}

TEST_CASE("a failure of the store is told once, with the time until the next try", "[supervisor]") {
  TestNode node(contested(Config{}));
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

TEST_CASE("a worker that ends in the step in which the lease is lost ended by itself, and first", "[supervisor]") {
  TestNode node(contested(with_worker()));
  node.become_leader();
  node.run_until(10s);
  node.forget();
  node.post_end(1, kExit1);
  node.answer(Answer::kHeld, "other");
  CHECK(node.take_calls().empty());
  CHECK(node.take_lines() == Lines{"worker_ended w 1 failed: exit code 1", "lease_lost: lost to other"});
}
