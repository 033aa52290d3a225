#include "core/registry.h"

#include <algorithm>

namespace stargazer {
namespace {

constexpr const char* kChatLlmFlag = "background_scheduler_chat_llm_enabled";

bool configured(const Config& config, Dependency dependency) {
  switch (dependency) {
    case Dependency::kRedis: return config.redis.has_value();
    case Dependency::kKg: return config.kg.has_value();
    case Dependency::kOpenrouter: return config.openrouter.has_value();
    case Dependency::kBotRunner: return config.bot_runner.has_value();
    case Dependency::kConfig: return true;  // never gates
  }
  return false;
}

std::string join(const std::vector<std::string>& parts, const char* separator) {
  std::string all;
  for (const std::string& part : parts) {
    if (!all.empty()) all += separator;
    all += part;
  }
  return all;
}

// "requires kg and openrouter, which are not configured", or "".
std::string missing_dependencies(const Config& config, DependencySet required) {
  std::vector<std::string> missing;
  for (const Dependency dependency : required.members()) {
    if (!configured(config, dependency)) missing.emplace_back(name_of(dependency));
  }
  if (missing.empty()) return "";
  return "requires " + join(missing, " and ") + (missing.size() == 1 ? ", which is" : ", which are") +
         " not configured";
}

// SPEC section 2.4: starwiki_lint's interval is max(300 s, 60 s × starwiki_lint_interval_minutes). The minutes come
// from a flag that nobody has checked, so they are bounded here.
Duration interval_in_force(const Config& config, const TaskConfig& task) {
  constexpr const char* kMinutesFlag = "starwiki_lint_interval_minutes";
  if (task.name != "starwiki_lint" || !config.flags.contains(kMinutesFlag)) return task.interval;
  const double seconds = 60.0 * config.flag_number(kMinutesFlag, 60.0);
  return duration_from_seconds(std::clamp(seconds, 300.0, to_seconds(kDurationMax))).value();
}

PlannedTask plan_task(const Config& config, const TaskConfig& task, const JobObstacle& obstacle) {
  PlannedTask planned;
  planned.config = task;
  planned.config.interval = interval_in_force(config, task);
  planned.needs_chat_llm_but_off = task.requires_chat_llm && !config.flag(kChatLlmFlag, true);

  std::vector<std::string> reasons;
  if (!task.enabled) reasons.emplace_back("disabled by enabled = false");
  if (std::string missing = missing_dependencies(config, task.dependencies); !missing.empty()) {
    reasons.push_back(std::move(missing));
  }
  if (planned.needs_chat_llm_but_off)
    reasons.push_back(std::string("the chat LLM is off (") + kChatLlmFlag + " = false)");
  if (!task.opt_in.empty() && !config.flag(task.opt_in, false)) {
    reasons.push_back("opt-in flag " + task.opt_in + " is not set");
  }
  if (std::string why_not = obstacle(task.job); !why_not.empty()) reasons.push_back("skipped: " + why_not);

  planned.reason = join(reasons, "; ");
  planned.scheduled = reasons.empty();
  return planned;
}

PlannedWorker plan_worker(const Config& config, const SupervisedConfig& worker, const JobObstacle& obstacle) {
  PlannedWorker planned;
  planned.config = worker;
  std::vector<std::string> reasons;
  if (!worker.enabled) reasons.emplace_back("disabled by enabled = false");
  if (std::string missing = missing_dependencies(config, worker.dependencies); !missing.empty()) {
    reasons.push_back(std::move(missing));
  }
  if (!worker.opt_out.empty() && !config.flag(worker.opt_out, true)) {
    reasons.push_back("turned off by flag " + worker.opt_out + " = false");
  }
  if (std::string why_not = obstacle(worker.job); !why_not.empty()) reasons.push_back("skipped: " + why_not);
  planned.reason = join(reasons, "; ");
  planned.scheduled = reasons.empty();
  return planned;
}

}  // namespace

std::size_t Registry::scheduled_task_count() const {
  return static_cast<std::size_t>(std::count_if(
      tasks.begin(), tasks.end(), [](const PlannedTask& task) { return task.scheduled && !task.config.once; }));
}

Registry build_registry(const Config& config, const JobObstacle& obstacle) {
  Registry registry;
  registry.tasks.reserve(config.tasks.size());
  for (const TaskConfig& task : config.tasks) registry.tasks.push_back(plan_task(config, task, obstacle));
  for (const SupervisedConfig& worker : config.supervised) {
    registry.supervised.push_back(plan_worker(config, worker, obstacle));
  }
  return registry;
}

std::string scheduled_line(const Registry& registry) {
  std::vector<std::string> names;
  std::size_t task_count = 0;
  for (const PlannedTask& task : registry.tasks) {
    if (task.config.once) continue;
    ++task_count;
    if (task.scheduled) names.push_back(task.config.name);
  }
  std::string counts = "scheduled " + std::to_string(names.size()) + " of " + std::to_string(task_count) + " tasks";
  constexpr std::size_t kNamesShownMax = 100;
  const std::size_t more = names.size() > kNamesShownMax ? names.size() - kNamesShownMax : 0;
  names.resize(names.size() - more);
  if (names.empty()) return counts;
  return counts + ": " + join(names, ", ") + (more == 0 ? "" : " and " + std::to_string(more) + " more");
}

std::string chat_llm_line(const Registry& registry) {
  std::vector<std::string> names;
  for (const PlannedTask& task : registry.tasks) {
    if (task.needs_chat_llm_but_off) names.push_back(task.config.name);
  }
  if (names.empty()) return "";
  return std::string("the chat LLM is off (") + kChatLlmFlag + " = false), not scheduled: " + join(names, ", ");
}

}  // namespace stargazer
