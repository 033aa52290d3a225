// The configuration as one validated value. How it is written in a file, read and checked: config/config_reader.h.
//
// Every default stands here and nowhere else; config/stargazer-scheduler.toml repeats them for operators and a test
// keeps the two equal. The keys are those of the file, so that a message can name them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/limits.h"
#include "core/time.h"
#include "core/warm_rules.h"

namespace stargazer {

// What a task may need before it can run, in the fixed order in which a job receives them (SPEC section 2.1).
enum class Dependency : std::uint8_t { kRedis, kKg, kOpenrouter, kBotRunner, kConfig };
inline constexpr std::size_t kDependencyCount = 5;

// The name of a dependency in `requires`: "redis", "kg", "openrouter", "bot_runner", "config".
const char* name_of(Dependency dependency);

// A set of dependencies, iterated in their fixed order.
class DependencySet {
 public:
  void insert(Dependency dependency) { bits_ |= bit(dependency); }
  bool contains(Dependency dependency) const { return (bits_ & bit(dependency)) != 0; }
  bool empty() const { return bits_ == 0; }
  bool operator==(const DependencySet&) const = default;

  std::vector<Dependency> members() const;

 private:
  static std::uint8_t bit(Dependency dependency) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(dependency));
  }

  std::uint8_t bits_ = 0;
};

// Runs a program directly, without a shell. argv[0] is a path or is looked up in PATH. Never empty.
struct CommandJob {
  std::vector<std::string> argv;
  bool operator==(const CommandJob&) const = default;
};

// Calls a function of Stargazer's own code through the Python bridge: "module:function".
struct PythonJob {
  std::string target;
  bool operator==(const PythonJob&) const = default;
};

// Calls a job of a shared library with the C ABI of stargazer/plugin.h.
struct PluginJob {
  std::string library;
  std::string job;
  bool operator==(const PluginJob&) const = default;
};

// Runs inside the daemon. There is one: "journal_feed" (SPEC section 5).
struct NativeJob {
  std::string name;
  bool operator==(const NativeJob&) const = default;
};

using Job = std::variant<CommandJob, PythonJob, PluginJob, NativeJob>;

// The word for a job's kind in messages and in --check --json: "command", "python", "plugin", "native".
const char* kind_of(const Job& job);

enum class RunOn : std::uint8_t { kEveryNode, kLeader };

using Environment = std::map<std::string, std::string>;

// What a job reads of its own table `settings`: each value as JSON. Nobody but the job knows the keys.
using Settings = std::map<std::string, std::string>;

// [tasks.NAME]: a periodic task.
struct TaskConfig {
  std::string name;
  std::vector<std::string> aliases;  // other spellings of the name that a file may use

  Duration interval{};                       // from the end of one run to the start of the next; at least kIntervalMin
  Duration initial_delay{};                  // from start to the first run
  Duration jitter{};                         // up to this much is added, at random, to each wait
  Duration timeout = std::chrono::hours(1);  // of one run; 0 = none
  Duration stop_grace = std::chrono::seconds(10);    // between TERM and KILL when a run is stopped
  std::uint32_t retries = 0;                         // further attempts after a run that failed; at most kRetriesMax
  Duration retry_backoff = std::chrono::minutes(1);  // before the first of them; doubles, see retry_pause

  DependencySet dependencies;  // `requires`
  bool requires_chat_llm = false;
  std::string opt_in;  // the name of a flag; "" = none
  std::string pool;    // the name of a pool; "" = only scheduler.max_concurrent_runs limits it
  RunOn run_on = RunOn::kEveryNode;
  bool persist = false;  // remember the last end across restarts
  bool once = false;     // runs once in a life of the daemon; `interval` means nothing then
  bool enabled = true;

  Job job = CommandJob{};
  Environment environment;        // added to the run's environment
  Settings settings;              // told to the job
  std::string working_directory;  // "" = the daemon's
  Limits limits;
  WarmRules warm;

  bool operator==(const TaskConfig&) const = default;
};

// The shortest interval that a file may ask for: an interval of zero would be a busy loop.
inline constexpr Duration kIntervalMin = std::chrono::milliseconds(100);
inline constexpr std::uint32_t kRetriesMax = 100;
// The pause before an attempt doubles no further.
inline constexpr Duration kRetryPauseMax = std::chrono::hours(1);

// From the end of the failed attempt number `attempt` (1, 2, …) to the next one, without jitter: retry_backoff,
// doubled after each attempt up to kRetryPauseMax. A retry_backoff that is longer than that stays as it is.
Duration retry_pause(const TaskConfig& task, std::uint32_t attempt);

// [supervised.NAME]: a long-lived worker that only the leader runs (SPEC section 4).
struct SupervisedConfig {
  std::string name;
  DependencySet dependencies;  // `requires`
  std::string opt_out;         // the name of a flag which, when set to false, turns the worker off; "" = none
  bool enabled = true;
  Duration stop_grace{};  // 0 = lease.hard_kill - lease.soft_stop; a longer one is cut to that
  Job job = CommandJob{};
  Environment environment;
  Settings settings;
  std::string working_directory;
  Limits limits;

  bool operator==(const SupervisedConfig&) const = default;
};

struct NodeConfig {
  std::string id = "auto";  // "auto" = host name and a part unique to this start; "" = "standalone"
  std::string state_dir = "/var/lib/stargazer-scheduler";

  bool operator==(const NodeConfig&) const = default;
};

struct RedisConfig {
  std::string url = "redis://127.0.0.1:6379/0";
  std::string username;
  std::string password_file;                           // "" = no password; otherwise the file's first line
  Duration command_timeout = std::chrono::seconds(2);  // also of a connection attempt
  std::vector<std::string> sentinels;                  // "host:port"; empty = the server of `url`
  std::string master_name;                             // what the sentinels call it; the host of `url` is not used then

  bool operator==(const RedisConfig&) const = default;
};

struct KgConfig {
  std::string url;  // "" = the Redis of [redis]
  std::string graph = "knowledge";

  bool operator==(const KgConfig&) const = default;
};

struct OpenrouterConfig {
  std::string base_url = "https://openrouter.ai/api/v1";
  std::string api_key_file;

  bool operator==(const OpenrouterConfig&) const = default;
};

// What `python.providers` may name: what the functions of Stargazer take.
inline constexpr std::array<std::string_view, 8> kProviderNames{
    "redis", "kg_manager", "openrouter", "config", "bot_runner", "message_cache", "adapters", "embedding_queue"};

struct PythonConfig {
  std::string interpreter = "/opt/stargazer/venv/bin/python";
  std::string root = "/opt/stargazer";
  std::map<std::string, std::string> providers;  // of what a job is called with: "module:function" by kProviderNames

  bool operator==(const PythonConfig&) const = default;
};

struct BotRunnerConfig {
  std::string provider;  // "module:function"

  bool operator==(const BotRunnerConfig&) const = default;
};

struct SchedulerConfig {
  std::string catalogue = "auto";  // "auto" = tasks.toml beside the file, else the installed one; "" = none
  std::uint32_t max_concurrent_runs = 16;
  std::uint32_t max_warm_workers = 16;                // processes that are kept and have no run; 0 = none is kept
  Duration stop_deadline = std::chrono::seconds(30);  // SIGTERM to exit
  Duration drain_deadline = std::chrono::seconds(2);  // from a worker's exit until its output is given up
  std::uint32_t output_line_bytes_max = 16384;        // a longer line of a worker is cut, with a mark
  std::uint32_t output_lines_per_s_max = 1000;        // of one run; more are left out, with a mark; 0 = no limit
  std::uint32_t output_lines_burst = 10000;           // so many at once; at least a second's worth

  bool operator==(const SchedulerConfig&) const = default;
};

struct PoolConfig {
  std::uint32_t limit = 1;

  bool operator==(const PoolConfig&) const = default;
};

// [lease]: see docs/lease.md for how these times depend on each other. 0 stands for the default that follows from ttl.
struct LeaseConfig {
  std::string key = "sg:leader:supervisor";  // environment SG_LEADER_KEY wins
  Duration ttl = std::chrono::seconds(30);
  Duration heartbeat{};        // 0 = ttl / 3
  Duration soft_stop{};        // 0 = ttl * 3 / 5
  Duration hard_kill{};        // 0 = ttl * 5 / 6
  Duration request_timeout{};  // 0 = ttl / 15
  Duration retry_pause{};      // 0 = ttl / 30
  std::uint32_t nodes = 2;     // 1 = this daemon is alone: no hold-off
  std::uint32_t replicas = 0;  // a grant counts once so many replicas have confirmed it (WAIT); 0 = none is asked

  bool operator==(const LeaseConfig&) const = default;
};

struct FeedConfig {
  std::vector<std::string> units{"stargazer"};  // unit names and globs; empty = no feed
  std::string channel = "stargazer:journal";
  std::uint32_t backlog = 50;
  std::string directory;   // "" = the system's journal
  std::string name_space;  // key "namespace": of journald's namespaces the one to read; "" = the default one
  bool keep_position = true;

  std::string stream;  // "" = none
  std::uint32_t stream_max_length = 100'000;
  std::string gaps_key;  // "" = channel + ":gaps"

  Duration poll = std::chrono::milliseconds(10);  // 0 = wait for the journal's own notice
  std::vector<std::string> fields;                // beside the "__" ones; empty = all
  std::uint32_t max_entry_bytes = 1024 * 1024;    // of an entry's JSON; 0 = no limit
  std::uint32_t max_priority = 7;                 // 7 = whatever it is, also none
  std::vector<std::string> include_identifiers;   // globs; empty = all
  std::vector<std::string> exclude_identifiers;   // globs

  std::string gaps_key_or_default() const { return gaps_key.empty() ? channel + ":gaps" : gaps_key; }

  bool operator==(const FeedConfig&) const = default;
};

struct EventsConfig {
  std::string channel = "stargazer:observability";
  std::string key_prefix = "obs:";
  Duration ttl = std::chrono::hours(24 * 7);  // of an event's hash; 0 = for ever
  std::uint32_t queue_max = 1000;             // events waiting for Redis; beyond it they are dropped and counted

  bool operator==(const EventsConfig&) const = default;
};

// A value of [flags]. The names are Stargazer's own and are not ours to limit.
using FlagValue = std::variant<bool, std::int64_t, double, std::string>;

// Python's truth: false, 0, 0.0 and "" are false.
bool truthy(const FlagValue& value);

struct Config {
  NodeConfig node;
  std::optional<RedisConfig> redis;  // absent: standalone
  std::optional<KgConfig> kg;        // absent: the kg gate is closed
  std::optional<OpenrouterConfig> openrouter;
  std::optional<PythonConfig> python;  // absent: python jobs are skipped
  std::optional<BotRunnerConfig> bot_runner;
  std::map<std::string, FlagValue> flags;
  SchedulerConfig scheduler;
  std::map<std::string, PoolConfig> pools;
  LeaseConfig lease;
  FeedConfig feed;
  EventsConfig events;
  std::vector<TaskConfig> tasks;  // in the order of the files, the catalogue's first
  std::vector<SupervisedConfig> supervised;

  bool operator==(const Config&) const = default;

  // A flag's truth, or `fallback` when it is not set.
  bool flag(const std::string& name, bool fallback) const;
  // A flag's number, or `fallback` when it is not set or is no number.
  double flag_number(const std::string& name, double fallback) const;
};

// The times of the lease with every 0 replaced by what follows from ttl.
struct LeaseTimes {
  Duration ttl;
  Duration heartbeat;
  Duration soft_stop;
  Duration hard_kill;
  Duration request_timeout;
  Duration retry_pause;

  // What is left between the hard kill and the moment another node may win.
  Duration margin() const { return ttl - hard_kill; }
  // How long after a grant was first seen by another node every worker of it is dead: the hard kill, and a part of the
  // margin for clocks that run at different speeds and for the time that killing takes. A node that looks often enough
  // has seen a grant so early that this has passed when the key expires.
  Duration outlived() const { return hard_kill + margin() * 2 / 5; }
};

LeaseTimes lease_times(const LeaseConfig& config);

// How long before scheduler.stop_deadline everything that is left is killed, so that it is gone in time.
Duration stop_kill_lead(Duration stop_deadline);

// One broken relation between values: `key` is the one to change first, `problem` a sentence that names the others.
struct ConfigProblem {
  std::string key;
  std::string problem;
};

// Checks every relation between values that a reader of one key cannot see: the lease's times (LEASE.md section 3.6),
// pools that are named but not defined, deadlines that cannot be kept, two tasks that would run the one journal feed,
// a native job that is to be kept, tasks of one warm_group that one process cannot run,
// a graph without a Redis, a bot runner without a provider, sentinels without a
// name or a name without sentinels. Empty when all hold.
std::vector<ConfigProblem> check_relations(const Config& config);

}  // namespace stargazer
