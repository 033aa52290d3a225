// The keys of warm workers, and the tasks that may share one.
#include <chrono>
#include <string>

#include "unit/config_support.h"

using namespace stargazer;
using namespace std::chrono_literals;

namespace {

// Two tasks of one group, of which the second has `more`.
std::string pair(const std::string& more, const std::string& job = "command = [\"x\"]") {
  return "[tasks.a]\ninterval = 60\nwarm = true\nwarm_group = \"g\"\ncommand = [\"x\"]\n"
         "[tasks.b]\ninterval = 60\nwarm = true\nwarm_group = \"g\"\n" +
         job + "\n" + more;
}

}  // namespace

TEST_CASE("the keys of a warm task are read, and a later file changes one of them alone", "[warm_config]") {
  const Config config = config_of(read_two(
      "[scheduler]\nmax_warm_workers = 3\n"
      "[tasks.a]\ninterval = 1\ncommand = [\"x\"]\nwarm = true\nwarm_group = \"g\"\nwarm_idle_timeout = \"2m\"\n"
      "warm_max_runs = 7\nwarm_max_memory = \"256M\"\n",
      "[tasks.a]\nwarm_max_runs = 8\n"));
  CHECK(config.scheduler.max_warm_workers == 3);
  CHECK(config.tasks.at(0).warm ==
        WarmRules{.keep = true, .group = "g", .idle_timeout = 2min, .runs_max = 8, .memory_max_bytes = 256 << 20});
}

TEST_CASE("without the keys nothing is kept", "[warm_config]") {
  const Config config = config_of(read_toml("[tasks.a]\ninterval = 1\ncommand = [\"x\"]\n"));
  CHECK(config.tasks.at(0).warm == WarmRules{});
  CHECK_FALSE(config.tasks.at(0).warm.keep);
}

TEST_CASE("a wrong value of a warm task is named with what is allowed", "[warm_config]") {
  const auto problem_with = [](const std::string& line) {
    return problem_of(read_toml("[tasks.a]\ninterval = 60\ncommand = [\"x\"]\n" + line + "\n"));
  };
  CHECK(contains(problem_with("warm = \"yes\""), "tasks.a.warm: is a string, allowed is true or false"));
  CHECK(contains(problem_with("warm_group = \"a b\""), "tasks.a.warm_group: is not a name"));
  CHECK(contains(problem_with("warm_idle_timeout = 0"), "warm_idle_timeout: is 0s, allowed is from 100ms to 3650d"));
  CHECK(contains(problem_with("warm_max_runs = 0"), "warm_max_runs: is 0, allowed is an integer from 1 to 1000000000"));
  CHECK(contains(problem_with("warm_max_memory = \"1K\""),
                 "warm_max_memory: is out of range, allowed are 0 and a size from 1M to 1024T"));
  CHECK(contains(problem_with("warm_max_run = 1"), "tasks.a.warm_max_run: is not a known key"));
  CHECK(contains(problem_of(read_toml("[scheduler]\nmax_warm_workers = 10001\n")),
                 "scheduler.max_warm_workers: is 10001, allowed is an integer from 0 to 10000"));
}

TEST_CASE("the native job cannot be warm", "[warm_config]") {
  const std::string text = "[tasks.a]\ninterval = 60\nnative = \"journal_feed\"\nwarm = ";
  CHECK(contains(problem_of(read_toml(text + "true\n")), "a.toml:4:1: tasks.a.warm: is for jobs that are processes"));
  config_of(read_toml(text + "false\n"));
}

TEST_CASE("tasks of one group that one process cannot run are both named, with what differs", "[warm_config]") {
  const auto difference = [](const std::string& more, const std::string& job = "command = [\"x\"]") {
    const std::string problem = problem_of(read_toml(pair(more, job)));
    const std::string head = "a.toml:9:1: tasks.b.warm_group: is that of tasks.a as well, whose ";
    REQUIRE(problem.find(head) == 0);
    const std::string rest = problem.substr(head.size());
    return rest.substr(0, rest.find(" differs; allowed are tasks that one process can run"));
  };
  CHECK(difference("", "python = \"m:f\"") == "kind of job");
  CHECK(difference("", "command = [\"y\"]") == "command");
  CHECK(difference("environment = {A = \"1\"}\n") == "environment");
  CHECK(difference("working_directory = \"/\"\n") == "working_directory");
  CHECK(difference("nice = 1\n") == "memory_max, cpu_weight, processes_max or nice");
  CHECK(difference("run_on = \"leader\"\n") == "run_on");
  CHECK(difference("warm_idle_timeout = 1\n") == "warm_idle_timeout");
  CHECK(difference("warm_max_runs = 1\n") == "warm_max_runs");
  CHECK(difference("warm_max_memory = \"1M\"\n") == "warm_max_memory");
}

TEST_CASE("tasks of one group may differ in what comes with each run", "[warm_config]") {
  config_of(read_toml(pair("timeout = 5\nretries = 3\nrequires = [\"config\"]\nsettings = {a = 1}\n")));
  // A task that is not kept, or off, has no part in it.
  config_of(read_toml(pair("nice = 1\nenabled = false\n")));
  const auto two = [](const std::string& a, const std::string& b) {
    return "[tasks.a]\ninterval = 60\nwarm = true\nwarm_group = \"g\"\n" + a +
           "[tasks.b]\ninterval = 60\nwarm = true\nwarm_group = \"g\"\n" + b;
  };
  config_of(read_toml(two("python = \"m:f\"\n", "python = \"n:g\"\n")));
  config_of(read_toml(two("plugin = \"p\"\njob = \"f\"\n", "plugin = \"p\"\njob = \"g\"\n")));
  CHECK(contains(problem_of(read_toml(two("plugin = \"p\"\njob = \"f\"\n", "plugin = \"q\"\njob = \"f\"\n"))),
                 "whose plugin differs"));
}
