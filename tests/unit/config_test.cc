#include "core/config.h"

#include <algorithm>
#include <limits>

#include "unit/catch.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

// The keys that check_relations finds wrong.
std::vector<std::string> keys_of(const Config& config) {
  std::vector<std::string> keys;
  for (const ConfigProblem& problem : check_relations(config)) keys.push_back(problem.key);
  return keys;
}

using Keys = std::vector<std::string>;

TaskConfig task_named(const std::string& name) {
  TaskConfig task;
  task.name = name;
  task.interval = 1min;
  task.job = CommandJob{{"true"}};
  return task;
}

}  // namespace

TEST_CASE("the built-in defaults keep every relation", "[config]") {
  CHECK(keys_of(Config{}).empty());
}

TEST_CASE("the times of the lease follow from its ttl", "[config]") {
  const LeaseTimes times = lease_times(LeaseConfig{});
  CHECK(times.ttl == 30s);
  CHECK(times.heartbeat == 10s);
  CHECK(times.soft_stop == 18s);
  CHECK(times.hard_kill == 25s);
  CHECK(times.request_timeout == 2s);
  CHECK(times.retry_pause == 1s);
  CHECK(times.margin() == 5s);
}

TEST_CASE("a lease that follows from any ttl keeps every relation", "[config]") {
  const Duration ttl = GENERATE(Duration(1s), Duration(7s), Duration(30s), Duration(1h));
  Config config;
  config.lease.ttl = ttl;
  CHECK(keys_of(config).empty());
}

TEST_CASE("each relation of the lease is checked, at its edge", "[config]") {
  Config config;
  SECTION("three tries fit before the soft stop") {
    config.lease.heartbeat = 10s;  // + 3 × 2 s + 2 × 1 s = 18 s
    CHECK(keys_of(config).empty());
    config.lease.heartbeat = 10s + 1ms;
    CHECK(keys_of(config) == Keys{"lease.soft_stop"});
  }
  SECTION("a heartbeat longer than the ttl") {
    config.lease.heartbeat = 31s;
    CHECK(keys_of(config) == Keys{"lease.soft_stop"});
  }
  SECTION("soft stop before hard kill") {
    config.lease.soft_stop = 25s - 1ms;
    CHECK(keys_of(config).empty());
    config.lease.soft_stop = 25s;
    CHECK(keys_of(config) == Keys{"lease.soft_stop"});
  }
  SECTION("a margin before the ttl") {
    config.lease.hard_kill = 28500ms;
    CHECK(keys_of(config).empty());
    config.lease.hard_kill = 28501ms;
    CHECK(keys_of(config) == Keys{"lease.hard_kill"});
  }
}

TEST_CASE("deadlines that cannot be kept are found", "[config]") {
  Config config;
  config.tasks.push_back(task_named("a"));
  config.supervised.emplace_back().name = "w";
  CHECK(keys_of(config).empty());
  config.tasks[0].stop_grace = 30s;
  CHECK(keys_of(config) == Keys{"tasks.a.stop_grace"});
  config.tasks[0].stop_grace = 29s;
  config.supervised[0].stop_grace = 30s;
  CHECK(keys_of(config) == Keys{"supervised.w.stop_grace"});
  config.supervised[0].stop_grace = {};
  config.scheduler.drain_deadline = 30s;
  CHECK(keys_of(config) == Keys{"scheduler.drain_deadline"});
}

TEST_CASE("a pool must be defined", "[config]") {
  Config config;
  config.tasks.push_back(task_named("a"));
  config.tasks[0].pool = "llm";
  CHECK(keys_of(config) == Keys{"tasks.a.pool"});
  config.pools["llm"] = {};
  CHECK(keys_of(config).empty());
}

TEST_CASE("there is one journal feed", "[config]") {
  Config config;
  config.tasks = {task_named("a"), task_named("b")};
  config.tasks[0].job = config.tasks[1].job = NativeJob{"journal_feed"};
  CHECK(keys_of(config) == Keys{"tasks.b.native"});
  config.tasks[0].enabled = false;
  CHECK(keys_of(config).empty());
}

TEST_CASE("a section that leans on another needs it", "[config]") {
  Config config;
  config.kg = KgConfig{};
  CHECK(keys_of(config) == Keys{"kg.url"});
  config.redis = RedisConfig{};
  CHECK(keys_of(config).empty());
  config.bot_runner = BotRunnerConfig{};
  CHECK(keys_of(config) == Keys{"bot_runner.provider"});
}

TEST_CASE("sentinels and the master's name need each other", "[config]") {
  Config config;
  config.redis = RedisConfig{};
  config.redis->sentinels = {"a:1"};
  CHECK(keys_of(config) == Keys{"redis.sentinels"});
  CHECK(check_relations(config)[0].problem.find("redis.master_name") != std::string::npos);
  config.redis->master_name = "mymaster";
  CHECK(keys_of(config).empty());
  config.redis->sentinels.clear();
  CHECK(keys_of(config) == Keys{"redis.master_name"});
  CHECK(check_relations(config)[0].problem.find("redis.sentinels") != std::string::npos);
}

TEST_CASE("a flag is as true as Python says", "[config]") {
  for (const FlagValue& value : {FlagValue(true), FlagValue(std::int64_t{-1}), FlagValue(0.5), FlagValue("no")}) {
    CHECK(truthy(value));
  }
  for (const FlagValue& value : {FlagValue(false), FlagValue(std::int64_t{0}), FlagValue(0.0), FlagValue("")}) {
    CHECK_FALSE(truthy(value));
  }
}

TEST_CASE("a flag that is not set, or is no number, has its fallback", "[config]") {
  Config config;
  CHECK(config.flag("f", true));
  CHECK_FALSE(config.flag("f", false));
  CHECK(config.flag_number("f", 7) == 7);
  config.flags["f"] = false;
  CHECK_FALSE(config.flag("f", true));
  CHECK(config.flag_number("f", 7) == 7);
  config.flags["f"] = std::int64_t{3};
  CHECK(config.flag_number("f", 7) == 3);
  config.flags["f"] = std::numeric_limits<double>::quiet_NaN();
  CHECK(config.flag_number("f", 7) == 7);
}

TEST_CASE("a set of dependencies keeps their fixed order", "[config]") {
  DependencySet set;
  CHECK(set.empty());
  for (const Dependency dependency : {Dependency::kConfig, Dependency::kKg, Dependency::kRedis}) set.insert(dependency);
  CHECK(set.members() == std::vector{Dependency::kRedis, Dependency::kKg, Dependency::kConfig});
  CHECK_FALSE(set.contains(Dependency::kBotRunner));
  CHECK(std::string(name_of(Dependency::kBotRunner)) == "bot_runner");
}

TEST_CASE("each kind of job has its word", "[config]") {
  CHECK(std::string(kind_of(CommandJob{})) == "command");
  CHECK(std::string(kind_of(PythonJob{})) == "python");
  CHECK(std::string(kind_of(PluginJob{})) == "plugin");
  CHECK(std::string(kind_of(NativeJob{})) == "native");
}

TEST_CASE("the pause before an attempt doubles up to an hour", "[config]") {
  TaskConfig task;
  task.retry_backoff = 10s;
  CHECK(retry_pause(task, 1) == 10s);
  CHECK(retry_pause(task, 2) == 20s);
  CHECK(retry_pause(task, 9) == 2560s);
  CHECK(retry_pause(task, 10) == 1h);
  CHECK(retry_pause(task, kRetriesMax) == 1h);
  task.retry_backoff = 2h;
  CHECK(retry_pause(task, 1) == 2h);
  CHECK(retry_pause(task, 5) == 2h);
  task.retry_backoff = kDurationMax;
  CHECK(retry_pause(task, kRetriesMax) == kDurationMax);
}
