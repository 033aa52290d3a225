// The files of config/: the catalogue is that of Stargazer, and the commented configuration says the truth.
#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "config/check_report.h"
#include "config/draft.h"
#include "jobs/job_list.h"
#include "unit/config_support.h"

using namespace stargazer;

namespace {

const std::string kFolder = std::string(STARGAZER_SOURCE_DIR) + "/config/";

std::string no_obstacle(const Job&) {
  return "";
}

Config shipped() {
  return config_of(load_config(kFolder + "stargazer-scheduler.toml", std::nullopt));
}

// With every dependency and opt-in, so that only what a test turns off is off.
Config everything_on() {
  Config config = shipped();
  config.redis.emplace();
  config.kg.emplace();
  config.openrouter.emplace();
  config.bot_runner.emplace();
  for (const TaskConfig& task : config.tasks) {
    if (!task.opt_in.empty()) config.flags[task.opt_in] = true;
  }
  return config;
}

nlohmann::json report_of(const Config& config) {
  return nlohmann::json::parse(check_report_json(config, build_registry(config, no_obstacle)));
}

struct CatalogueRow {
  const char* name;
  std::int64_t interval_s;
  std::int64_t initial_delay_s;
  std::vector<std::string> dependencies;
  bool chat_llm;
  const char* opt_in;  // nullptr = none
};

const std::vector<CatalogueRow> kCatalogue{
    {"scheduled_prompt_tick", 60, 10, {"redis"}, true, nullptr},
    {"scheduled_prompt_cleanup", 172800, 300, {"redis"}, false, nullptr},
    {"auto_kg_extraction", 14400, 300, {"redis", "kg", "openrouter", "config"}, true, "legacy_kg_extraction"},
    {"channel_summarization", 21600, 600, {"redis"}, true, nullptr},
    {"kg_consolidation_task", 86400, 1800, {"kg", "openrouter"}, true, nullptr},
    {"kg_decay_task", 86400, 3600, {"kg"}, false, nullptr},
    {"journal_stream", 10, 5, {"redis"}, false, nullptr},
    {"log_rag_ingest", 21600, 30, {}, false, "background_scheduler_log_rag_ingest_enabled"},
    {"gemini_key_probe", 7200, 60, {}, false, nullptr},
    {"agentic_kg_bulk_incremental", 14400, 900, {"redis", "kg", "openrouter"}, true, nullptr},
    {"anamnesis_digest", 1200, 300, {"redis", "kg", "openrouter", "config"}, true, nullptr},
    {"channel_heartbeat", 86400, 120, {"bot_runner"}, true, nullptr},
    {"starwiki_lint", 3600, 600, {"bot_runner"}, false, "starwiki_enabled"},
    {"limbic_anchoring_worker", 60, 15, {"bot_runner"}, true, nullptr},
    {"limbic_sunset_processor", 3600, 3600, {"bot_runner"}, true, nullptr},
    {"limbic_maintenance", 604800, 7200, {"bot_runner"}, false, nullptr},
};

// The shipped file with every default and example switched on: "#key = value" and "#[table]", never "# prose".
std::string switched_on() {
  std::istringstream lines(text_of_file(kFolder + "stargazer-scheduler.toml"));
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    const bool is_off = line.size() > 1 && line[0] == '#' && (line[1] == '[' || (line[1] >= 'a' && line[1] <= 'z'));
    text += line.substr(is_off ? 1 : 0) + "\n";
  }
  return text;
}

// "tasks.example.interval" and so on: every key that the switched-on file gives, '*' for the name of an example.
void collect_keys(const Node& node, const std::string& path, std::set<std::string>& keys) {
  const auto* table = std::get_if<Table>(&node.value);
  if (table == nullptr || table->empty()) {
    keys.insert(path);
    return;
  }
  for (const Entry& entry : *table) {
    const std::string name = entry.key == "example" || path == "flags" ? "*" : entry.key;
    collect_keys(entry.value, path.empty() ? name : path + "." + name, keys);
  }
}

}  // namespace

TEST_CASE("the catalogue holds the sixteen tasks with their numbers", "[shipped_config]") {
  const nlohmann::json tasks = report_of(shipped())["tasks"];
  REQUIRE(tasks.size() == kCatalogue.size());
  for (std::size_t place = 0; place < kCatalogue.size(); ++place) {
    const CatalogueRow& row = kCatalogue[place];
    const nlohmann::json& task = tasks[place];
    INFO(row.name);
    CHECK(task["name"] == row.name);
    CHECK(task["interval_s"] == row.interval_s);
    CHECK(task["initial_delay_s"] == row.initial_delay_s);
    CHECK(task["requires"] == row.dependencies);
    CHECK(task["requires_chat_llm"] == row.chat_llm);
    CHECK(task["opt_in"] == (row.opt_in == nullptr ? nlohmann::json() : nlohmann::json(row.opt_in)));
  }
}

TEST_CASE("the catalogue holds the backfill, once, apart from the periodic tasks", "[shipped_config]") {
  const nlohmann::json startup = report_of(everything_on())["startup"];
  REQUIRE(startup.size() == 1);
  CHECK(startup[0]["name"] == "startup_channel_backfill");
  CHECK(startup[0]["scheduled"] == true);
  CHECK(contains(check_report_text({}, build_registry(everything_on(), no_obstacle)),
                 "\ntask startup_channel_backfill: once on the leader, for 30m at most: python "));
}

TEST_CASE("the catalogue holds both supervised workers", "[shipped_config]") {
  const nlohmann::json workers = report_of(everything_on())["supervised"];
  REQUIRE(workers.size() == 2);
  CHECK(workers[0]["name"] == "limbic_dedup_worker");
  CHECK(workers[0]["opt_out"] == "ka_dedup_enabled");
  CHECK(workers[0]["job"] ==
        nlohmann::json{{"kind", "python"}, {"python", "stargazer_bridge.jobs:limbic_dedup_worker"}});
  CHECK(workers[1]["name"] == "limbic_org_worker");
  CHECK(workers[1]["opt_out"] == "ka_org_enabled");
  CHECK(workers[1]["scheduled"] == true);
}

TEST_CASE("a task that runs until it is stopped has no timeout, holds no pool and forgets its end",
          "[shipped_config]") {
  std::set<std::string> endless;
  for (const TaskConfig& task : shipped().tasks) {
    if (task.timeout != Duration::zero()) continue;
    endless.insert(task.name);
    CHECK(task.pool.empty());
    CHECK_FALSE(task.persist);
  }
  CHECK(endless == std::set<std::string>{"channel_heartbeat", "journal_stream", "limbic_anchoring_worker",
                                         "limbic_sunset_processor"});
}

TEST_CASE("both spellings of the consolidation service name the same tasks", "[shipped_config]") {
  const Config config =
      config_of(read_config({{"tasks.toml", text_of_file(kFolder + "tasks.toml"), ConfigFormat::kToml},
                             {"main.toml", "[tasks.kg_decay]\ninterval = 1\n[tasks.kg_consolidation]\ninterval = 2\n",
                              ConfigFormat::kToml}}));
  CHECK(config.tasks.size() == kCatalogue.size() + 1);  // and the backfill
  CHECK(config.tasks[5].interval == std::chrono::seconds(1));
  CHECK(config.tasks[4].interval == std::chrono::seconds(2));
}

TEST_CASE("without Python the jobs in C++ stand in, each under a name that the plugin has", "[shipped_config]") {
  const auto plugin_jobs = [](const Config& config) {
    std::set<std::string> names;
    for (const TaskConfig& task : config.tasks) {
      const auto* plugin = std::get_if<PluginJob>(&task.job);
      if (plugin == nullptr) continue;
      CHECK(plugin->library == "stargazer-jobs");
      CHECK(task.run_on == RunOn::kLeader);  // they ask for the lease
      names.insert(plugin->job);
    }
    return names;
  };
  std::set<std::string> known;
  for (const jobs::NamedJob& job : jobs::kJobs) known.insert(job.name);
  CHECK(plugin_jobs(shipped()) == known);
  const std::string catalogue = text_of_file(kFolder + "tasks.toml");
  CHECK(plugin_jobs(config_of(read_toml(catalogue + "\n[python]\n"))).empty());
}

TEST_CASE("everything is scheduled when everything is there", "[shipped_config]") {
  const Config config = everything_on();
  CHECK(build_registry(config, no_obstacle).scheduled_task_count() == 16);
}

TEST_CASE("without the chat LLM exactly its nine tasks are off, for that reason", "[shipped_config]") {
  Config config = everything_on();
  config.flags["background_scheduler_chat_llm_enabled"] = false;
  const nlohmann::json report = report_of(config);
  const std::string reason = "the chat LLM is off (background_scheduler_chat_llm_enabled = false)";
  std::string names;
  for (std::size_t place = 0; place < kCatalogue.size(); ++place) {
    const CatalogueRow& row = kCatalogue[place];
    INFO(row.name);
    CHECK(report["tasks"][place]["scheduled"] == !row.chat_llm);
    CHECK(report["tasks"][place]["reason"] == (row.chat_llm ? nlohmann::json(reason) : nlohmann::json()));
    if (row.chat_llm) names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  CHECK(std::count(names.begin(), names.end(), ',') == 8);
  CHECK(report["chat_llm"] == reason + ", not scheduled: " + names);
  CHECK(contains(check_report_text(config, build_registry(config, no_obstacle)), "not scheduled: " + names + "\n"));
}

TEST_CASE("the report for a person says what each task will do, or why it will not", "[shipped_config]") {
  const Config config = shipped();
  const std::string text = check_report_text(config, build_registry(config, no_obstacle));
  INFO(text);
  CHECK(text.find("scheduled 5 of 16 tasks: scheduled_prompt_tick, scheduled_prompt_cleanup, channel_summarization, "
                  "journal_stream, gemini_key_probe\n") == 0);
  CHECK(contains(text,
                 "\ntask scheduled_prompt_tick: every 1m after 10s on the leader, in pool llm, for 10m at most: "
                 "python tools.scheduled_prompt:tick_scheduled_prompts\n"));
  CHECK(contains(text, "\ntask kg_decay_task: not scheduled: requires kg, which is not configured\n"));
  CHECK(contains(text, "\ntask journal_stream: every 10s after 5s on every node: native journal_feed\n"));
  CHECK(contains(text, "\nsupervised limbic_org_worker: not started: requires kg and openrouter, which are not"));
  CHECK(contains(check_report_text(config, build_registry(everything_on(), no_obstacle)),
                 "\nsupervised limbic_org_worker: always on the leader: python "));
  CHECK(contains(text, "\ntask startup_channel_backfill: not scheduled: requires bot_runner, which is not configured"));
  CHECK(std::count(text.begin(), text.end(), '\n') == 1 + 17 + 2);
}

TEST_CASE("the report of a job names its kind and keys", "[shipped_config]") {
  const Config config =
      config_of(read_toml("[tasks.c]\ninterval = 0.5\ncommand = [\"a\", \"b\"]\n"
                          "[tasks.p]\ninterval = 1\nplugin = \"l\"\njob = \"j\"\n"));
  const nlohmann::json tasks = report_of(config)["tasks"];
  CHECK(tasks[0]["interval_s"] == 0.5);
  CHECK(tasks[0]["job"] == nlohmann::json{{"kind", "command"}, {"command", {"a", "b"}}});
  CHECK(tasks[1]["job"] == nlohmann::json{{"kind", "plugin"}, {"plugin", "l"}, {"job", "j"}});
  CHECK(tasks[1]["pool"].is_null());
  CHECK(report_of(config)["chat_llm"].is_null());
}

TEST_CASE("every value that stands in the shipped configuration is the built-in default", "[shipped_config]") {
  Config expected;
  expected.redis.emplace();
  CHECK(config_of(read_toml(text_of_file(kFolder + "stargazer-scheduler.toml"))) == expected);
}

TEST_CASE("every default that the shipped configuration mentions is the built-in one", "[shipped_config]") {
  Config found = config_of(read_toml(switched_on()));
  Config expected;
  expected.redis.emplace();
  expected.kg.emplace();
  expected.openrouter.emplace();
  expected.python.emplace();
  expected.bot_runner = BotRunnerConfig{"stargazer_runner:make_runner"};  // an example: there is no default
  expected.pools["example"] = {};
  TaskConfig& task = expected.tasks.emplace_back();
  task.name = "example";
  task.interval = std::chrono::hours(1);  // an example as well, as is the job
  task.job = CommandJob{{"/bin/true"}};
  SupervisedConfig& worker = expected.supervised.emplace_back();
  worker.name = "example";
  worker.job = CommandJob{{"/bin/true"}};
  const auto flags = std::exchange(found.flags, {});
  CHECK(found == expected);
  CHECK(flags.size() == 8);
}

TEST_CASE("the flags that the shipped configuration mentions have the values of absent ones", "[shipped_config]") {
  Config config = everything_on();
  config.flags.clear();
  const std::string without = check_report_json(config, build_registry(config, no_obstacle));
  config.flags = config_of(read_toml(switched_on())).flags;
  std::string with = check_report_json(config, build_registry(config, no_obstacle));
  CHECK(with == without);
}

TEST_CASE("every key of the schema stands in the shipped configuration", "[shipped_config]") {
  std::set<std::string> shown;
  const ParsedDocument document = parse_document(switched_on(), ConfigFormat::kToml);
  collect_keys(Node{{}, std::get<Table>(document)}, "", shown);
  // A task has one job, so the other kinds stand in a comment.
  const std::set<std::string> in_prose{"python", "plugin", "job", "native"};
  for (const std::string& key : known_keys()) {
    INFO(key);
    const std::string last = key.substr(key.rfind('.') + 1);
    const bool is_job = key.starts_with("tasks.") || key.starts_with("supervised.");
    CHECK((shown.contains(key) || (is_job && in_prose.contains(last))));
  }
}

TEST_CASE("the report names attempts and limits of what has any", "[shipped_config]") {
  const Config config = config_of(read_toml(
      "[tasks.c]\ninterval = 60\ncommand = [\"a\"]\nretries = 2\nretry_backoff = 5\nmemory_max = \"512M\"\nnice = 5\n"
      "[supervised.w]\ncommand = [\"b\"]\nprocesses_max = 32\n"));
  const std::string text = check_report_text(config, build_registry(config, no_obstacle));
  INFO(text);
  CHECK(contains(text, "for 1h at most, with memory_max 512M, nice 5, 3 attempts: command a\n"));
  CHECK(contains(text, "\nsupervised w: always on the leader, with processes_max 32: command b\n"));
  const nlohmann::json report = report_of(config);
  CHECK(report["tasks"][0]["retries"] == 2);
  CHECK(report["tasks"][0]["retry_backoff_s"] == 5);
  CHECK(report["tasks"][0]["limits"] == nlohmann::json{{"memory_max", 536870912}, {"nice", 5}});
  CHECK(report["supervised"][0]["limits"] == nlohmann::json{{"processes_max", 32}});
}
