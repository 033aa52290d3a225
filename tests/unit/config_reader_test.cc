#include "config/config_reader.h"

#include <cmath>

#include "unit/config_support.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

// A good task, for what is tested around it.
const std::string kTask = "[tasks.a]\ninterval = 60\ncommand = [\"true\"]\n";

const TaskConfig& only_task(const Config& config) {
  REQUIRE(config.tasks.size() == 1);
  return config.tasks.front();
}

}  // namespace

TEST_CASE("nothing at all is the built-in configuration", "[config_reader]") {
  CHECK(config_of(read_toml("")) == Config{});
  CHECK(config_of(read_json("{}")) == Config{});
  CHECK(config_of(read_config({})) == Config{});
  CHECK(config_of(read_toml("\xEF\xBB\xBF[node]\nid = \"auto\"\n")) == Config{});
  CHECK(config_of(read_json("\xEF\xBB\xBF{}")) == Config{});
}

TEST_CASE("each single mistake is one line with its place, key, cause and what is allowed", "[config_reader]") {
  const auto [text, expected] = GENERATE(table<const char*, const char*>({
      {"[lease]\nttl = 1\nheartbaet = 1\n",
       "a.toml:3:1: lease.heartbaet: is not a known key; did you mean \"heartbeat\"?"},
      {"[schedular]\n", "a.toml:1:2: schedular: is not a known table; did you mean \"scheduler\"?"},
      {"[python]\nzzzzzzzz = 1\n", "python.zzzzzzzz: is not a known key; allowed are interpreter, root, providers"},
      {"lease = 3\n", "a.toml:1:1: lease: is an integer, allowed is a table"},
      {"[scheduler]\nmax_concurrent_runs = \"4\"\n", "is a string, allowed is an integer from 1 to 10000"},
      {"[scheduler]\nmax_concurrent_runs = 4.0\n", "is a float, allowed is an integer"},
      {"[scheduler]\nmax_concurrent_runs = 0\n", "is 0, allowed is an integer from 1 to 10000"},
      {"[scheduler]\noutput_line_bytes_max = 63\n", "from 64 to 1048576"},
      {"[feed]\nbacklog = 1000001\n", "from 0 to 1000000"},
      {"[feed]\nbacklog = -1\n", "is -1, allowed is an integer from 0"},
      {"[feed]\nunits = \"stargazer\"\n", "feed.units: is a string, allowed is an array of strings"},
      {"[redis]\nsentinels = [\"h:1\", \"[::1]\"]\nmaster_name = \"m\"\n",
       "a.toml:2:1: redis.sentinels: item 2: the port is not a number from 1 to 65535, allowed is \"host:port\", an "
       "IPv6 "
       "address in brackets"},
      {"[redis]\nsentinels = [\"::1:26379\"]\n", "redis.sentinels: item 1: the host is empty or too long, allowed is"},
      {"[redis]\nsentinels = [\"hunter2 :1\"]\n", "item 1: the host has a character that no host has"},
      {"[redis]\nsentinels = [\"h:1\"]\n", "a.toml:2:1: redis.sentinels: needs redis.master_name as well"},
      {"[redis]\nmaster_name = \"m\"\n", "a.toml:2:1: redis.master_name: needs redis.sentinels as well"},
      {"[redis]\nmaster_name = \"a b\"\n", "redis.master_name: is not a name"},
      {"[lease]\nreplicas = 101\n", "lease.replicas: is 101, allowed is an integer from 0 to 100"},
      {"[feed]\nunits = [1]\n", "feed.units: item 1: is an integer, allowed is a string"},
      {"[feed]\nunits = [\"\"]\n", "feed.units: names a unit that is empty"},
      {"[feed]\ndirectory = \"var\"\n", "is not an absolute path"},
      {"[feed]\nchannel = \"\"\n", "is empty, allowed is"},
      {"[feed]\nnamespace = \"a/b\"\n", "feed.namespace: is not a name"},
      {"[feed]\nnamespace = \"a\"\ndirectory = \"/x\"\n", "a.toml:2:1: feed.namespace: is for the system's journal"},
      {"[feed]\nkeep_position = 1\n", "feed.keep_position: is an integer, allowed is true or false"},
      {"[feed]\nstream = \"a\"\ngaps_key = \"a\"\n", "a.toml:2:1: feed.stream: is the key of feed.gaps_key as well"},
      {"[feed]\nstream = \"stargazer:journal:gaps\"\n", "feed.stream: is the key of feed.gaps_key as well"},
      {"[feed]\nstream_max_length = 0\n", "is 0, allowed is an integer from 1 to 1000000000"},
      {"[feed]\npoll = \"2s\"\n", "feed.poll: is 2s, allowed is 0 and from 1ms to 1s"},
      {"[feed]\nfields = [\"MESSAGE\", \"message\"]\n", "feed.fields: \"message\" is not a field of the journal"},
      {"[feed]\nmax_entry_bytes = 4095\n", "is 4095, allowed is 0 and an integer from 4096 to 33554432"},
      {"[feed]\nmax_entry_bytes = -1\n", "feed.max_entry_bytes: is -1, allowed is an integer from 0"},
      {"[feed]\nmax_priority = 8\n", "is 8, allowed is an integer from 0 to 7"},
      {"[feed]\ninclude_identifiers = [\"\"]\n", "feed.include_identifiers: names an identifier that is empty"},
      {"[feed]\nexclude_identifiers = [\"\"]\n", "feed.exclude_identifiers: names an identifier that is empty"},
      {"[lease]\nttl = \"5 parsecs\"\n", "a.toml:2:1: lease.ttl: \"5 parsecs\" is not a duration; allowed are"},
      {"[lease]\nttl = \"900ms\"\n", "lease.ttl: is 900ms, allowed is from 1s to 1h"},
      {"[lease]\nttl = \"61m\"\n", "lease.ttl: is 1h 1m, allowed is from 1s to 1h"},
      {"[lease]\nheartbeat = \"5ms\"\n", "lease.heartbeat: is 5ms, allowed is 0 and from 10ms to 1h"},
      {"[lease]\nttl = 1979-05-27\n", "lease.ttl: is a date, allowed is a duration"},
      {"[lease]\nttl = inf\n", "is out of range"},
      {"[lease]\nttl = nan\n", "is out of range"},
      {"[lease]\nkey = \"a\\u0000b\"\n", "holds a NUL character"},
      {"[redis]\nurl = \"http://user:hunter2@h\"\n", "redis.url: is not the address of a Redis"},
      {"[redis]\nurl = \"rediss://user:hunter2@h\"\n", "redis.url: asks for TLS"},
      {"[openrouter]\nbase_url = \"ftp://x\"\n", "openrouter.base_url: is not a web address"},
      {"[bot_runner]\n", "a.toml:1:2: bot_runner.provider: is missing"},
      {"[bot_runner]\nprovider = \"nothing\"\n", "allowed is \"module:function\""},
      {"[kg]\n", "a.toml:1:2: kg.url: is empty"},
      {"[flags]\nf = []\n", "flags.f: is an array, allowed is true, false, a number or a string"},
      {"[flags]\nf = nan\n", "flags.f: is not finite"},
      {"[pools.\"a b\"]\nlimit = 1\n", "pools.a b: is not a name"},
      {"[pools.a]\nlimit = 0\n", "a.toml:2:1: pools.a.limit: is 0"},
      {"[pools.a]\nlimits = 1\n", "did you mean \"limit\"?"},
      {"[tasks.\"a/b\"]\n", "tasks.a/b: is not a name, allowed are 1 to 64 characters"},
      {"[tasks.\"\"]\n", "is not a name"},
      {"[tasks.a]\ninterval = 60\n", "a.toml:1:8: tasks.a: has no job, allowed is one of command, python"},
      {"[tasks.a]\ncommand = [\"true\"]\n", "a.toml:1:8: tasks.a: has no interval"},
      {"[tasks.a]\ninterval = -5\ncommand = [\"true\"]\n", "tasks.a.interval: \"-5\" is negative"},
      {"[tasks.a]\ninterval = \"-5s\"\ncommand = [\"true\"]\n", "tasks.a.interval: \"-5s\" is negative"},
      {"[tasks.a]\ninterval = 0\ncommand = [\"true\"]\n", "is 0s, allowed is from 100ms to 3650d"},
      {"[tasks.a]\ninterval = 1e-9\ncommand = [\"true\"]\n", "is less than 1ms, allowed is from 100ms"},
      {"[tasks.a]\ninterval = 60\ncommand = []\n", "tasks.a.command: names no program"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"\"]\n", "tasks.a.command: names no program"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"true\", 3]\n", "tasks.a.command: item 2: is an integer"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"true\", \"a\\u0000b\"]\n", "item 2: holds a NUL character"},
      {"[tasks.a]\ninterval = 60\npython = \"os.system\"\n", "tasks.a.python: is not a function of a module"},
      {"[tasks.a]\ninterval = 60\npython = \"a:b:c\"\n", "tasks.a.python: is not a function of a module"},
      {"[tasks.a]\ninterval = 60\npython = \"a..b:c\"\n", "tasks.a.python: is not a function of a module"},
      {"[tasks.a]\ninterval = 60\npython = \"1a:b\"\n", "tasks.a.python: is not a function of a module"},
      {"[tasks.a]\ninterval = 60\nnative = \"journal\"\n", "\"journal\" is not a native job"},
      {"[tasks.a]\ninterval = 60\nplugin = \"jobs\"\n", "tasks.a: has a plugin but no job"},
      {"[tasks.a]\ninterval = 60\njob = \"x\"\n", "tasks.a: has a job but no plugin"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\npython = \"a:b\"\n", "tasks.a: has two jobs, command and python"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nrequires = [\"reddis\"]\n",
       "tasks.a.requires: is \"reddis\"; did you mean \"redis\"?"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nrequires = \"redis\"\n", "is a string, allowed is an array"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nrun_on = \"leeder\"\n", "did you mean \"leader\"?"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nrun_on = true\n", "is a boolean; allowed are every_node, leader"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nenabled = 1\n", "is an integer, allowed is true or false"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\npool = \"llm\"\n", "a.toml:4:1: tasks.a.pool: names \"llm\""},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nstop_grace = 30\n",
       "a.toml:4:1: tasks.a.stop_grace: must be less than scheduler.stop_deadline"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nenvironment = {STARGAZER_FD = \"4\"}\n",
       "tasks.a.environment.STARGAZER_FD: begins with STARGAZER_"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nenvironment = {\"A=B\" = \"4\"}\n", "is not a name of a variable"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nenvironment = {A = 4}\n", "tasks.a.environment.A: is an integer"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nsettings = 4\n",
       "tasks.a.settings: is an integer, allowed is a table"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nsettings = {when = 2026-11-25}\n",
       "tasks.a.settings.when: is or holds a date, allowed are booleans, numbers, strings, and arrays and tables of "
       "them"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nsettings = {a = [1, inf]}\n",
       "tasks.a.settings.a: is or holds a number that is not finite"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nsettings = {\"a b\" = 1}\n", "tasks.a.settings.a b: "},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nenvironment = 4\n",
       "tasks.a.environment: is an integer, allowed is a table"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nworking_directory = \"x\"\n", "is not an absolute path"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nretries = 101\n",
       "tasks.a.retries: is 101, allowed is an integer from"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nretry_backoff = 0\n", "is 0s, allowed is from 100ms to 3650d"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nmemory_max = \"512MB\"\n",
       "tasks.a.memory_max: is \"512MB\" is no size, allowed is a number of bytes up to 1024T"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nmemory_max = 1000\n",
       "tasks.a.memory_max: is out of range, allowed are 0 and a size from 1M to 1024T"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nmemory_max = -1\n", "memory_max: is out of range"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nmemory_max = true\n",
       "memory_max: is a boolean, allowed is a size such as \"512M\""},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\ncpu_weight = 10001\n",
       "is 10001, allowed is an integer from 0 to 10000"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nprocesses_max = \"32\"\n",
       "processes_max: is a string, allowed is an integer"},
      {"[tasks.a]\ninterval = 60\ncommand = [\"x\"]\nnice = 20\n",
       "tasks.a.nice: is 20, allowed is an integer from -20 to 19"},
      {"[supervised.w]\ncommand = [\"x\"]\nnice = \"5\"\n",
       "supervised.w.nice: is a string, allowed is an integer from -20 to 19"},
      {"[supervised.w]\n", "a.toml:1:13: supervised.w: has no job"},
      {"[supervised.w]\ncommand = [\"x\"]\ninterval = 1\n", "supervised.w.interval: is not a known key"},
      {"[lease]\nheartbeat = \"11s\"\n", "a.toml:1:2: lease.soft_stop: must be at least lease.heartbeat"},
      {"[lease]\nsoft_stop = \"25s\"\n", "a.toml:2:1: lease.soft_stop: must be less than lease.hard_kill"},
      {"[lease]\nhard_kill = \"29s\"\n", "a.toml:2:1: lease.hard_kill: must be at most 19/20 of lease.ttl"},
      {"[scheduler]\ndrain_deadline = 30\n", "a.toml:2:1: scheduler.drain_deadline: must be less than"},
      {"[node]\nid = \"a\n", "a.toml:2:8: syntax error: "},
      {"[node\n", "a.toml:1:6: syntax error: "},
      {"[node]\nid = \"caf\xE9\"\n", "a.toml:2:10: not UTF-8"},
      {"[node]\n[node]\n", "a.toml:2:1: syntax error: "},
      {"[%node]\n", "a.toml:1:2: syntax error: "},
      {"\xEF\xBA\xBF = 1\n", "a.toml:1:1: syntax error: "},
  }));
  INFO(text);
  const std::string problem = problem_of(read_toml(text));
  INFO(problem);
  CHECK(contains(problem, expected));
  CHECK(problem.find("a.toml:") == 0);
  CHECK(problem.find('\n') == std::string::npos);
  CHECK_FALSE(contains(problem, "hunter2"));
}

TEST_CASE("JSON names the place of each mistake as well", "[config_reader]") {
  const auto [text, expected] = GENERATE(table<const char*, const char*>({
      {"{\"lease\": {\n  \"tll\": 3}}", "a.json:2:3: lease.tll: is not a known key; did you mean \"ttl\"?"},
      {"{\"feed\": {\"backlog\": 9, \"backlog\": 8}}",
       "a.json:1:25: feed.backlog: is given twice, allowed is once, the other at a.json:1:11"},
      {"{\"node\": {}, \"node\": {}}", "a.json:1:14: node: is given twice"},
      {"{\"lease\": {\"ttl\": null}}", "lease.ttl: is null, allowed is a duration"},
      {"{\"feed\": {\"backlog\": 99999999999999999999}}", "is a float, allowed is an integer"},
      {"{\"feed\": {\"backlog\": 18446744073709551615}}", "is an integer of more than 64 bits"},
      {"{\"feed\": {\"backlog\": 1e999}}", "a.json:1:22: syntax error: a number that cannot be represented"},
      {"[]", "a.json:1:1: syntax error: the file holds an array, allowed is an object"},
      {"", "a.json:1:1: syntax error"},
      {"{\"redis\": {\"url\": hunter2}}", "a.json:1:19: syntax error while parsing value - invalid literal"},
      {"{\"redis\": {\"url\": \"hunter2\" \"hunter2\"}}", "a.json:1:37: syntax error while parsing object"},
      {"{}\n x", "a.json:2:2: syntax error"},
      {"{\"node\": {\"id\": \"\xFF\"}}", "a.json:1:18: not UTF-8"},
  }));
  INFO(text);
  const std::string problem = problem_of(read_json(text));
  INFO(problem);
  CHECK(contains(problem, expected));
  CHECK_FALSE(contains(problem, "hunter2"));
}

TEST_CASE("deep nesting is an error, not a crash", "[config_reader]") {
  std::string key = "a";
  std::string array;
  for (int depth = 0; depth < 100'000; ++depth) {
    key += ".a";
    array += "[";
  }
  CHECK(contains(problem_of(read_toml(key + " = 1\n")), "a key of more than 16 parts"));
  CHECK(contains(problem_of(read_toml("[" + key + "]\n")), "a key of more than 16 parts"));
  CHECK(contains(problem_of(read_toml("x = { y = \"\"\"quotes\"\"\"\"\", " + key + " = 1 }\n")),
                 "of more than 16 parts"));
  CHECK(contains(problem_of(read_toml("a = " + array)), "syntax error"));
  CHECK(contains(problem_of(read_json("{\"a\": " + array)), "nested deeper than 32"));
}

TEST_CASE("dots in strings and comments are not parts of a key", "[config_reader]") {
  const std::string dots(100, '.');
  const Config config =
      config_of(read_toml("# " + dots + "\n[node]\nid = \"\\\"" + dots + "\" # " + dots + "\n[flags]\na = '" + dots +
                          "'\nb = \"\"\"\n" + dots + "\"" + dots + "\"\"\"\"\nc = '''" + dots + "'''\n"));
  CHECK(config.node.id == "\"" + dots);
  CHECK(config.flags.size() == 3);
}

TEST_CASE("two names for one task in one file are refused, however they are spelled", "[config_reader]") {
  const std::string twice = "two names for one task";
  SECTION("a table twice in TOML") {
    const std::string problem = problem_of(read_toml(kTask + kTask));
    CHECK(contains(problem, "a.toml:4:1: tasks.a: " + twice));
  }
  SECTION("a key twice in JSON") {
    const std::string task = R"("a": {"interval": 60, "command": ["true"]})";
    CHECK(contains(problem_of(read_json("{\"tasks\": {" + task + ",\n" + task + "}}")),
                   "a.json:2:1: tasks.a: " + twice + ", the other at a.json:1:12"));
  }
  SECTION("a name and its alias") {
    CHECK(contains(problem_of(read_two(kTask + "aliases = [\"b\"]\n", "[tasks.b]\n[tasks.a]\n")),
                   "2.toml:2:8: tasks.a: " + twice + ": \"b\" at 2.toml:1:8 is the same task"));
  }
  SECTION("two aliases, in the file that declares them") {
    CHECK(contains(problem_of(read_toml("[tasks.c]\ntimeout = 1\n" + kTask + "aliases = [\"c\"]\n")),
                   "a.toml:3:8: tasks.a: " + twice));
  }
  SECTION("an alias that is the name of another task") {
    CHECK(contains(problem_of(read_two(kTask, "[tasks.b]\ninterval = 1\ncommand = [\"x\"]\naliases = [\"a\"]\n")),
                   "2.toml:1:8: tasks.b: " + twice + ": its alias \"a\" already names the task \"a\""));
  }
}

TEST_CASE("settings are JSON for the job, and a later file overrides single ones", "[config_reader]") {
  const Config config = config_of(read_two(
      kTask + "[tasks.a.settings]\nflag = true\nwhole = 3\nreal = 0.05\ntext = \"a \\\"b\\\"\"\n"
              "list = [\"x\", 1]\ntable = {k = {n = 1}}\n[supervised.w]\ncommand = [\"w\"]\nsettings = {x = 1}\n",
      "[tasks.a.settings]\nwhole = 4\nlist = []\n"));
  CHECK(only_task(config).settings == Settings{{"flag", "true"},
                                               {"whole", "4"},
                                               {"real", "0.05"},
                                               {"text", R"("a \"b\"")"},
                                               {"list", "[]"},
                                               {"table", R"({"k":{"n":1}})"}});
  CHECK(config.supervised.at(0).settings == Settings{{"x", "1"}});
}

TEST_CASE("settings have limits", "[config_reader]") {
  std::string many = kTask + "[tasks.a.settings]\n";
  for (int number = 0; number < 256; ++number) many += "k" + std::to_string(number) + " = 1\n";
  CHECK(only_task(config_of(read_toml(many))).settings.size() == 256);
  CHECK(contains(problem_of(read_toml(many + "more = 1\n")), "tasks.a.settings.more: is one setting too many"));
  const std::string text(16 * 1024, 'x');
  CHECK(contains(problem_of(read_toml(kTask + "settings = {a = \"" + text + "\"}\n")),
                 "tasks.a.settings.a: makes the settings too long, allowed are 16384 bytes of JSON"));
}

TEST_CASE("a later file overrides single keys, by any of a task's names", "[config_reader]") {
  const Config config = config_of(read_two(
      kTask +
          "aliases = [\"b\"]\ntimeout = 5\nenvironment = {X = \"1\", Y = \"1\"}\n[supervised.w]\ncommand = [\"w\"]\n"
          "[flags]\nf = 1\ng = 1\n[lease]\nttl = 60\nnodes = 3\n",
      "[tasks.b]\ninterval = 7\nenvironment = {Y = \"2\"}\n[supervised.w]\nopt_out = \"f\"\n[flags]\ng = 2\n"
      "[lease]\nttl = 90\n"));
  const TaskConfig& task = only_task(config);
  CHECK(task.name == "a");
  CHECK(task.interval == 7s);
  CHECK(task.timeout == 5s);
  CHECK(task.job == Job(CommandJob{{"true"}}));
  CHECK(task.environment == Environment{{"X", "1"}, {"Y", "2"}});
  CHECK(config.supervised.at(0).opt_out == "f");
  CHECK(config.supervised.at(0).job == Job(CommandJob{{"w"}}));
  CHECK(config.flags.at("f") == FlagValue(std::int64_t{1}));
  CHECK(config.flags.at("g") == FlagValue(std::int64_t{2}));
  CHECK(config.lease.ttl == 90s);
  CHECK(config.lease.nodes == 3);
}

TEST_CASE("an alias counts wherever it is declared", "[config_reader]") {
  const Config config = config_of(read_two("[tasks.b]\ntimeout = 5\n", kTask + "aliases = [\"c\"]\n[tasks.b]\n"
                                                                               "interval = 1\ncommand = [\"b\"]\n"));
  CHECK(config.tasks.size() == 2);
  CHECK(config.tasks[0].name == "b");
  CHECK(config.tasks[0].timeout == 5s);
}

TEST_CASE("a job key of a later file replaces the job", "[config_reader]") {
  const auto [text, job] = GENERATE(table<const char*, Job>({
      {"command = [\"x\", \"\"]", CommandJob{{"x", ""}}},
      {"python = \"a.b:c\"", PythonJob{"a.b:c"}},
      {"plugin = \"p\"\njob = \"q\"", PluginJob{"p", "q"}},
      {"native = \"journal_feed\"", NativeJob{"journal_feed"}},
      {"timeout = 1", CommandJob{{"true"}}},
  }));
  CHECK(only_task(config_of(read_two(kTask, std::string("[tasks.a]\n") + text + "\n"))).job == job);
  const std::string plugin = "[tasks.a]\ninterval = 1\nplugin = \"p\"\njob = \"q\"\n";
  CHECK(only_task(config_of(read_two(plugin, "[tasks.a]\njob = \"r\"\n"))).job == Job(PluginJob{"p", "r"}));
  CHECK(only_task(config_of(read_two(plugin, "[tasks.a]\nplugin = \"o\"\n"))).job == Job(PluginJob{"o", "q"}));
}

TEST_CASE("of a Python job and a plugin beside each other one runs", "[config_reader]") {
  const std::string both = "python = \"a.b:c\"\nplugin = \"p\"\njob = \"q\"\n";
  const auto [implementation, without_python, with_python] = GENERATE(table<std::string, Job, Job>({
      {"", PluginJob{"p", "q"}, PythonJob{"a.b:c"}},
      {"implementation = \"auto\"\n", PluginJob{"p", "q"}, PythonJob{"a.b:c"}},
      {"implementation = \"python\"\n", PythonJob{"a.b:c"}, PythonJob{"a.b:c"}},
      {"implementation = \"native\"\n", PluginJob{"p", "q"}, PluginJob{"p", "q"}},
  }));
  const std::string task = "[tasks.a]\ninterval = 1\n" + both + implementation;
  CHECK(only_task(config_of(read_toml(task))).job == without_python);
  CHECK(only_task(config_of(read_toml(task + "[python]\n"))).job == with_python);
  CHECK(only_task(config_of(read_two(task, "[python]\n"))).job == with_python);
  CHECK(config_of(read_toml("[supervised.a]\n" + both + implementation)).supervised[0].job == without_python);
}

TEST_CASE("a later file chooses the implementation, or replaces both", "[config_reader]") {
  const std::string task = "[python]\n[tasks.a]\ninterval = 1\npython = \"a.b:c\"\nplugin = \"p\"\njob = \"q\"\n";
  const auto [text, job] = GENERATE(table<std::string, Job>({
      {"implementation = \"native\"", PluginJob{"p", "q"}},
      {"job = \"r\"", PluginJob{"p", "r"}},
      {"plugin = \"o\"", PluginJob{"o", "q"}},
      {"python = \"d:e\"", PythonJob{"d:e"}},
      {"command = [\"x\"]", CommandJob{{"x"}}},
      {"timeout = 1", PythonJob{"a.b:c"}},
  }));
  CHECK(only_task(config_of(read_two(task, "[tasks.a]\n" + text + "\n"))).job == job);
}

TEST_CASE("an implementation that the job does not have is a problem", "[config_reader]") {
  const auto problem = [](const std::string& text) {
    return problem_of(read_toml("[tasks.a]\ninterval = 1\n" + text));
  };
  CHECK(problem("python = \"a:b\"\nimplementation = \"native\"\n") ==
        "a.toml:4:1: tasks.a.implementation: is \"native\", but the job has none of that kind, allowed is one that it "
        "has, or \"auto\"");
  CHECK(contains(problem("plugin = \"p\"\njob = \"q\"\nimplementation = \"python\"\n"), "is \"python\", but the job"));
  CHECK(contains(problem("command = [\"x\"]\nimplementation = \"native\"\n"), "is \"native\", but the job"));
  CHECK(contains(problem("python = \"a:b\"\nimplementation = \"nativ\"\n"), "tasks.a.implementation: is \"nativ\""));
  CHECK(contains(problem("python = \"a:b\"\nplugin = \"p\"\n"), "has a plugin but no job"));
  CHECK(contains(problem("python = \"a:b\"\nplugin = \"p\"\njob = \"q\"\ncommand = [\"x\"]\n"), "has two jobs"));
}

TEST_CASE("a plugin is an absolute path or a name", "[config_reader]") {
  const auto [library, good] = GENERATE(table<std::string, bool>({{"stargazer-jobs", true},
                                                                  {"/opt/a b.so", true},
                                                                  {"a/b.so", false},
                                                                  {"", false},
                                                                  {"a b", false},
                                                                  {"/a\\u0007", false}}));
  const ConfigOutcome outcome = read_toml("[tasks.a]\ninterval = 1\njob = \"q\"\nplugin = \"" + library + "\"\n");
  INFO(library);
  CHECK(outcome.config.has_value() == good);
  if (!good)
    CHECK(contains(problem_of(outcome), "tasks.a.plugin: is no plugin, allowed is an absolute path or a name"));
}

TEST_CASE("a section is there as soon as a file has it", "[config_reader]") {
  const Config config = config_of(read_toml("[redis]\n[kg]\n[openrouter]\n[python]\n"));
  CHECK(config.redis == RedisConfig{});
  CHECK(config.kg == KgConfig{});
  CHECK(config.openrouter == OpenrouterConfig{});
  CHECK(config.python == PythonConfig{});
  CHECK_FALSE(config.bot_runner.has_value());
}

TEST_CASE("flags have any name and four kinds of value", "[config_reader]") {
  const Config config = config_of(read_toml("[flags]\n\"any name\" = true\ni = -3\nf = 0.5\ns = \"x\"\n"));
  CHECK(config.flags == std::map<std::string, FlagValue>{
                            {"any name", true}, {"i", std::int64_t{-3}}, {"f", 0.5}, {"s", std::string("x")}});
}

TEST_CASE("JSON and TOML of the same content are the same configuration", "[config_reader]") {
  const Config toml = config_of(read_toml(R"(
[node]
id = "n1"
[redis]
url = "unix:///run/redis.sock"
command_timeout = 1.5
[lease]
ttl = "1m"
[flags]
x = true
y = 2
[pools.p]
limit = 3
[tasks.zebra]
interval = "90s"
requires = ["config", "redis"]
run_on = "leader"
pool = "p"
command = ["a", "b"]
[tasks.ant]
interval = 5
plugin = "lib"
job = "j"
environment = {A = "é"}
[supervised.w]
python = "m:f"
)"));
  const Config json = config_of(read_json(R"({
"node": {"id": "n1"},
"redis": {"url": "unix:///run/redis.sock", "command_timeout": 1.5},
"lease": {"ttl": "1m"}, "flags": {"x": true, "y": 2}, "pools": {"p": {"limit": 3}},
"tasks": {"zebra": {"interval": "90s", "requires": ["config", "redis"], "run_on": "leader", "pool": "p",
  "command": ["a", "b"]},
  "ant": {"interval": 5, "plugin": "lib", "job": "j", "environment": {"A": "\u00e9"}}},
"supervised": {"w": {"python": "m:f"}}})"));
  CHECK(toml == json);
  CHECK(toml.tasks.at(0).name == "zebra");
}

TEST_CASE("all problems are found at once, from top to bottom", "[config_reader]") {
  const ConfigOutcome outcome =
      read_two("[tasks.a]\ninterval = 1\npool = \"x\"\n[lease]\nttl = 0\n", "[nod]\n[tasks.b]\nintervall = 1\n");
  INFO(joined(outcome.problems));
  REQUIRE(outcome.problems.size() == 7);
  CHECK(contains(outcome.problems[0], "1.toml:1:8: tasks.a: has no job"));
  CHECK(contains(outcome.problems[1], "1.toml:3:1: tasks.a.pool"));
  CHECK(contains(outcome.problems[2], "1.toml:5:1: lease.ttl"));
  CHECK(contains(outcome.problems[3], "2.toml:1:2: nod"));
  CHECK(contains(outcome.problems[6], "intervall"));
}

TEST_CASE("a wrong value causes no second problem", "[config_reader]") {
  problem_of(read_toml("[lease]\nttl = \"x\"\nheartbeat = \"1m\"\n"));
  problem_of(read_toml("[tasks.a]\ninterval = \"x\"\ncommand = [\"true\"]\n"));
  problem_of(read_toml("[tasks.a]\ninterval = 1\npython = \"x\"\n"));
  problem_of(read_two("[pools.p\n", kTask + "pool = \"p\"\n"));
}

TEST_CASE("beyond the limit problems are counted", "[config_reader]") {
  std::string text;
  for (std::size_t n = 0; n < kConfigProblemsMax + 7; ++n) text += "x" + std::to_string(n) + " = 1\n";
  const ConfigOutcome outcome = read_toml(text);
  REQUIRE(outcome.problems.size() == kConfigProblemsMax + 1);
  CHECK(outcome.problems.back() == "and 7 more problems");
}

TEST_CASE("what a file says cannot break the line of a problem", "[config_reader]") {
  const std::string problem = problem_of(read_toml("\"a\\nb\\u001b\" = 1\n[flags]\n"));
  CHECK(contains(problem, "a.toml:1:1: a?b?: is not a known table"));
  CHECK(problem_of(read_toml("\"" + std::string(100'000, 'x') + "\" = 1\n")).size() < 1100);
  CHECK(problem_of(read_toml("[lease]\nttl = \"" + std::string(63, 'x') + "ééé\"\n")).size() < 1100);
}

TEST_CASE("a text that is too large is refused before it is parsed", "[config_reader]") {
  CHECK(contains(problem_of(read_toml(std::string(kConfigFileBytesMax + 1, '\n'))), "is larger than 1048576 bytes"));
  config_of(read_toml(std::string(kConfigFileBytesMax, '\n')));
}

TEST_CASE("retries and limits are read, and a later file changes one of them alone", "[config_reader]") {
  const Config config = config_of(read_two(
      "[tasks.a]\ninterval = 1\ncommand = [\"x\"]\nretries = 3\nretry_backoff = \"5s\"\nmemory_max = \"512M\"\n"
      "cpu_weight = 50\nprocesses_max = 32\nnice = -5\n[supervised.w]\ncommand = [\"w\"]\nmemory_max = 2097152\n",
      "[tasks.a]\nnice = 5\nmemory_max = 0\n"));
  CHECK(config.tasks.at(0).retries == 3);
  CHECK(config.tasks.at(0).retry_backoff == 5s);
  CHECK(config.tasks.at(0).limits == Limits{.cpu_weight = 50, .processes_max = 32, .nice = 5});
  CHECK(config.supervised.at(0).limits == Limits{.memory_max_bytes = 2097152});
}
