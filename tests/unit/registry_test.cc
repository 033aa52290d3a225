#include "core/registry.h"

#include <cmath>

#include "unit/catch.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

std::string no_obstacle(const Job&) {
  return "";
}

template <typename Change>
Config with_task(Change change) {
  Config config;
  TaskConfig task;
  task.name = "a";
  change(task);
  task.job = CommandJob{{"true"}};
  config.tasks.push_back(std::move(task));
  return config;
}

PlannedTask planned(const Config& config) {
  return build_registry(config, no_obstacle).tasks.at(0);
}

DependencySet all_dependencies() {
  DependencySet all;
  for (std::size_t place = 0; place < kDependencyCount; ++place) all.insert(static_cast<Dependency>(place));
  return all;
}

}  // namespace

TEST_CASE("a task without gates is scheduled", "[registry]") {
  const PlannedTask task = planned(with_task([](TaskConfig&) {}));
  CHECK(task.scheduled);
  CHECK(task.reason.empty());
}

TEST_CASE("a task needs each dependency that it requires, except config", "[registry]") {
  Config config = with_task([](TaskConfig& task) { task.dependencies = all_dependencies(); });
  CHECK(planned(config).reason == "requires redis and kg and openrouter and bot_runner, which are not configured");
  config.redis.emplace();
  config.kg.emplace();
  config.openrouter.emplace();
  CHECK(planned(config).reason == "requires bot_runner, which is not configured");
  config.bot_runner.emplace();
  CHECK(planned(config).scheduled);
}

TEST_CASE("the chat LLM is on unless its flag is false", "[registry]") {
  Config config = with_task([](TaskConfig& task) { task.requires_chat_llm = true; });
  CHECK(planned(config).scheduled);
  CHECK(chat_llm_line(build_registry(config, no_obstacle)).empty());
  config.flags["background_scheduler_chat_llm_enabled"] = false;
  CHECK_FALSE(planned(config).scheduled);
  CHECK(planned(config).needs_chat_llm_but_off);
  CHECK(chat_llm_line(build_registry(config, no_obstacle)) ==
        "the chat LLM is off (background_scheduler_chat_llm_enabled = false), not scheduled: a");
}

TEST_CASE("an opt-in flag must be set and true", "[registry]") {
  Config config = with_task([](TaskConfig& task) { task.opt_in = "wanted"; });
  CHECK(planned(config).reason == "opt-in flag wanted is not set");
  config.flags["wanted"] = std::int64_t{0};
  CHECK_FALSE(planned(config).scheduled);
  config.flags["wanted"] = std::string("yes");
  CHECK(planned(config).scheduled);
}

TEST_CASE("every reason is named", "[registry]") {
  Config config = with_task([](TaskConfig& task) {
    task.requires_chat_llm = true;
    task.opt_in = "wanted";
    task.enabled = false;
  });
  config.tasks[0].dependencies.insert(Dependency::kRedis);
  config.flags["background_scheduler_chat_llm_enabled"] = false;
  const Registry registry = build_registry(config, [](const Job&) { return std::string("no Python here"); });
  CHECK(registry.tasks[0].reason ==
        "disabled by enabled = false; requires redis, which is not configured; the chat LLM is off "
        "(background_scheduler_chat_llm_enabled = false); opt-in flag wanted is not set; skipped: no Python here");
}

TEST_CASE("a supervised worker runs unless it is disabled, opted out or impossible", "[registry]") {
  Config config;
  SupervisedConfig& w = config.supervised.emplace_back();
  w.name = "w";
  w.opt_out = "wanted";
  w.job = CommandJob{{"true"}};
  const auto worker = [&] { return build_registry(config, no_obstacle).supervised.at(0); };
  CHECK(worker().scheduled);
  config.flags["wanted"] = false;
  CHECK(worker().reason == "turned off by flag wanted = false");
  config.flags.clear();
  config.supervised[0].enabled = false;
  CHECK(worker().reason == "disabled by enabled = false");
  config.supervised[0].enabled = true;
  const Registry blocked = build_registry(config, [](const Job&) { return std::string("no Python here"); });
  CHECK(blocked.supervised[0].reason == "skipped: no Python here");
}

TEST_CASE("the interval of starwiki_lint follows its flag, within bounds", "[registry]") {
  Config config = with_task([](TaskConfig& task) { task.interval = 1h; });
  config.tasks[0].name = "starwiki_lint";
  CHECK(planned(config).config.interval == 1h);
  const auto [minutes, interval] = GENERATE(table<FlagValue, Duration>({
      {FlagValue(std::int64_t{30}), 30min},
      {FlagValue(7.5), 450s},
      {FlagValue(std::int64_t{4}), 5min},
      {FlagValue(std::int64_t{-9}), 5min},
      {FlagValue(1e300), kDurationMax},
      {FlagValue(std::nan("")), 1h},
      {FlagValue("thirty"), 1h},
  }));
  config.flags["starwiki_lint_interval_minutes"] = minutes;
  CHECK(planned(config).config.interval == interval);
  config.tasks[0].name = "another";
  CHECK(planned(config).config.interval == 1h);
}

TEST_CASE("the line at start counts and names what is scheduled", "[registry]") {
  Config config;
  CHECK(scheduled_line(build_registry(config, no_obstacle)) == "scheduled 0 of 0 tasks");
  for (const char* name : {"a", "b", "c"}) config.tasks.emplace_back().name = name;
  config.tasks[1].enabled = false;
  CHECK(scheduled_line(build_registry(config, no_obstacle)) == "scheduled 2 of 3 tasks: a, c");
  for (int more = 0; more < 100; ++more) config.tasks.emplace_back().name = "m";
  const std::string line = scheduled_line(build_registry(config, no_obstacle));
  CHECK(line.find("scheduled 102 of 103 tasks: a, c, m") == 0);
  CHECK(line.find(" and 2 more") != std::string::npos);
}
