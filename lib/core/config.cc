#include "core/config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace stargazer {
namespace {

constexpr std::array<const char*, kDependencyCount> kDependencyNames{"redis", "kg", "openrouter", "bot_runner",
                                                                     "config"};

Duration or_default(Duration configured, Duration otherwise) {
  return configured == Duration::zero() ? otherwise : configured;
}

// LEASE.md section 3.6: three tries fit before the soft stop, the grace before the hard kill, a margin before the ttl.
void check_lease(const LeaseConfig& config, std::vector<ConfigProblem>& problems) {
  const LeaseTimes times = lease_times(config);
  const Duration tries = times.heartbeat + 3 * times.request_timeout + 2 * times.retry_pause;
  const auto shown = [](Duration value) { return " (" + format_duration(value) + ")"; };
  if (tries > times.soft_stop) {
    problems.push_back({"lease.soft_stop",
                        "must be at least lease.heartbeat + 3 × lease.request_timeout + 2 × "
                        "lease.retry_pause" +
                            shown(tries) + ", but is " + format_duration(times.soft_stop)});
  }
  if (times.soft_stop >= times.hard_kill) {
    problems.push_back({"lease.soft_stop", "must be less than lease.hard_kill" + shown(times.hard_kill) + ", but is " +
                                               format_duration(times.soft_stop)});
  }
  const Duration margin_min = times.ttl / 20;
  if (times.hard_kill + margin_min > times.ttl) {
    problems.push_back({"lease.hard_kill", "must be at most 19/20 of lease.ttl" + shown(times.ttl - margin_min) +
                                               ", but is " + format_duration(times.hard_kill)});
  }
}

// A worker that is allowed longer than the whole daemon would be killed by it before its grace is over.
void check_grace(const std::string& key, Duration grace, const Config& config, std::vector<ConfigProblem>& problems) {
  const Duration deadline = config.scheduler.stop_deadline;
  if (grace < deadline) return;
  problems.push_back({key, "must be less than scheduler.stop_deadline (" + format_duration(deadline) + "), but is " +
                               format_duration(grace)});
}

void check_tasks(const Config& config, std::vector<ConfigProblem>& problems) {
  const TaskConfig* feed = nullptr;
  for (const TaskConfig& task : config.tasks) {
    const std::string prefix = "tasks." + task.name + ".";
    if (!task.pool.empty() && !config.pools.contains(task.pool)) {
      problems.push_back({prefix + "pool", "names \"" + task.pool + "\", but there is no [pools." + task.pool + "]"});
    }
    check_grace(prefix + "stop_grace", task.stop_grace, config, problems);
    if (!task.enabled || !std::holds_alternative<NativeJob>(task.job)) continue;
    if (feed != nullptr) {
      problems.push_back({prefix + "native", "is the journal feed, which tasks." + feed->name +
                                                 " runs already; allowed is one task that is enabled"});
    }
    feed = &task;
  }
}

// Whether one process can run both: what was settled at its start, and what its command or plugin is.
bool same_program(const Job& one, const Job& other) {
  if (one.index() != other.index()) return false;
  if (const auto* command = std::get_if<CommandJob>(&one)) return *command == std::get<CommandJob>(other);
  if (!std::holds_alternative<PluginJob>(one)) return true;
  const auto& [library, job] = std::get<PluginJob>(one);
  const auto& [other_library, other_job] = std::get<PluginJob>(other);
  return library == other_library;
}

// The first thing in which two tasks of a group differ and may not; "" = nothing.
std::string different_in_group(const TaskConfig& one, const TaskConfig& other) {
  if (one.job.index() != other.job.index()) return "kind of job";
  if (!same_program(one.job, other.job)) return kind_of(one.job);
  if (one.environment != other.environment) return "environment";
  if (one.working_directory != other.working_directory) return "working_directory";
  if (one.limits != other.limits) return "memory_max, cpu_weight, processes_max or nice";
  if (one.run_on != other.run_on) return "run_on";
  if (one.warm.idle_timeout != other.warm.idle_timeout) return "warm_idle_timeout";
  if (one.warm.runs_max != other.warm.runs_max) return "warm_max_runs";
  return one.warm.memory_max_bytes != other.warm.memory_max_bytes ? "warm_max_memory" : "";
}

// The processes of a group run any of its tasks, so what is settled at the start of one must suit them all.
void check_warm(const Config& config, std::vector<ConfigProblem>& problems) {
  std::map<std::string, const TaskConfig*> first_of_group;
  for (const TaskConfig& task : config.tasks) {
    if (!task.enabled || !task.warm.keep) continue;
    const std::string prefix = "tasks." + task.name + ".";
    if (std::holds_alternative<NativeJob>(task.job)) {
      problems.push_back({prefix + "warm", "is for jobs that are processes, but a native job runs in the daemon"});
      continue;
    }
    if (task.warm.group.empty()) continue;
    const auto [first, is_new] = first_of_group.emplace(task.warm.group, &task);
    const std::string difference = is_new ? "" : different_in_group(*first->second, task);
    if (difference.empty()) continue;
    problems.push_back({prefix + "warm_group", "is that of tasks." + first->second->name + " as well, whose " +
                                                   difference +
                                                   " differs; allowed are tasks that one process can run"});
  }
}

void check_sentinels(const RedisConfig& redis, std::vector<ConfigProblem>& problems) {
  if (!redis.sentinels.empty() && redis.master_name.empty()) {
    problems.push_back(
        {"redis.sentinels", "needs redis.master_name as well, the name under which the sentinels watch the master"});
  }
  if (redis.sentinels.empty() && !redis.master_name.empty()) {
    problems.push_back({"redis.master_name", "needs redis.sentinels as well, the addresses of those who know it"});
  }
}

void check_sections(const Config& config, std::vector<ConfigProblem>& problems) {
  const SchedulerConfig& scheduler = config.scheduler;
  // What is killed at the last moment must still be drained in time.
  const Duration lead = stop_kill_lead(scheduler.stop_deadline);
  if (scheduler.drain_deadline >= lead) {
    problems.push_back({"scheduler.drain_deadline",
                        "must be less than a third of scheduler.stop_deadline and less than 5s (" +
                            format_duration(lead) + "), but is " + format_duration(scheduler.drain_deadline)});
  }
  if (config.redis) check_sentinels(*config.redis, problems);
  if (config.kg && config.kg->url.empty() && !config.redis) {
    problems.push_back({"kg.url", "is empty, which stands for the Redis of [redis], but there is no [redis]"});
  }
  if (config.bot_runner && config.bot_runner->provider.empty()) {
    problems.push_back({"bot_runner.provider", "is missing, allowed is \"module:function\""});
  }
  if (!config.feed.directory.empty() && !config.feed.name_space.empty()) {
    problems.push_back({"feed.namespace",
                        "is for the system's journal, but feed.directory names another; allowed is one "
                        "of the two"});
  }
  if (!config.feed.stream.empty() && config.feed.stream == config.feed.gaps_key_or_default()) {
    problems.push_back({"feed.stream", "is the key of feed.gaps_key as well, allowed are two keys"});
  }
  for (const SupervisedConfig& worker : config.supervised) {
    check_grace("supervised." + worker.name + ".stop_grace", worker.stop_grace, config, problems);
  }
}

}  // namespace

const char* name_of(Dependency dependency) {
  return kDependencyNames[static_cast<std::size_t>(dependency)];
}

std::vector<Dependency> DependencySet::members() const {
  std::vector<Dependency> all;
  for (std::size_t place = 0; place < kDependencyCount; ++place) {
    const auto dependency = static_cast<Dependency>(place);
    if (contains(dependency)) all.push_back(dependency);
  }
  return all;
}

const char* kind_of(const Job& job) {
  constexpr std::array<const char*, std::variant_size_v<Job>> kKinds{"command", "python", "plugin", "native"};
  return kKinds[job.index()];
}

bool truthy(const FlagValue& value) {
  return std::visit([](const auto& held) { return held != std::decay_t<decltype(held)>{}; }, value);
}

bool Config::flag(const std::string& name, bool fallback) const {
  const auto found = flags.find(name);
  return found == flags.end() ? fallback : truthy(found->second);
}

double Config::flag_number(const std::string& name, double fallback) const {
  const auto found = flags.find(name);
  if (found == flags.end()) return fallback;
  if (const auto* whole = std::get_if<std::int64_t>(&found->second)) return static_cast<double>(*whole);
  const auto* number = std::get_if<double>(&found->second);
  if (number != nullptr && !std::isnan(*number)) return *number;
  return fallback;
}

Duration retry_pause(const TaskConfig& task, std::uint32_t attempt) {
  Duration pause = task.retry_backoff;
  for (std::uint32_t failed = 1; failed < attempt && pause < kRetryPauseMax; ++failed) {
    pause = std::min(2 * pause, kRetryPauseMax);
  }
  return pause;
}

Duration stop_kill_lead(Duration stop_deadline) {
  return std::min<Duration>(std::chrono::seconds(5), stop_deadline / 3);
}

LeaseTimes lease_times(const LeaseConfig& config) {
  return LeaseTimes{.ttl = config.ttl,
                    .heartbeat = or_default(config.heartbeat, config.ttl / 3),
                    .soft_stop = or_default(config.soft_stop, config.ttl * 3 / 5),
                    .hard_kill = or_default(config.hard_kill, config.ttl * 5 / 6),
                    .request_timeout = or_default(config.request_timeout, config.ttl / 15),
                    .retry_pause = or_default(config.retry_pause, config.ttl / 30)};
}

std::vector<ConfigProblem> check_relations(const Config& config) {
  std::vector<ConfigProblem> problems;
  check_lease(config.lease, problems);
  check_tasks(config, problems);
  check_warm(config, problems);
  check_sections(config, problems);
  return problems;
}

}  // namespace stargazer
