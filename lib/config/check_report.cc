#include "config/check_report.h"

#include <cmath>

#include <nlohmann/json.hpp>

namespace stargazer {
namespace {

using Json = nlohmann::ordered_json;

const char* name_of(RunOn run_on) {
  return run_on == RunOn::kLeader ? "leader" : "every_node";
}

// Whole seconds as an integer, so that 60 does not read 60.0.
Json seconds_json(Duration duration) {
  const double seconds = to_seconds(duration);
  if (seconds == std::floor(seconds)) return static_cast<std::int64_t>(seconds);
  return seconds;
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

// "kind" and the keys of the file, so that a reader of both finds the same words.
Json job_json(const Job& job) {
  Json json{{"kind", kind_of(job)}};
  if (const auto* command = std::get_if<CommandJob>(&job)) json["command"] = command->argv;
  if (const auto* python = std::get_if<PythonJob>(&job)) json["python"] = python->target;
  if (const auto* native = std::get_if<NativeJob>(&job)) json["native"] = native->name;
  if (const auto* plugin = std::get_if<PluginJob>(&job)) {
    json["plugin"] = plugin->library;
    json["job"] = plugin->job;
  }
  return json;
}

// Only the program of a command: its arguments may be long, and are in the JSON for whoever needs them.
std::string job_text(const Job& job) {
  const std::string kind = std::string(kind_of(job)) + " ";
  if (const auto* command = std::get_if<CommandJob>(&job)) return kind + command->argv.front();
  if (const auto* python = std::get_if<PythonJob>(&job)) return kind + python->target;
  if (const auto* native = std::get_if<NativeJob>(&job)) return kind + native->name;
  const auto& [library, job_name] = std::get<PluginJob>(job);
  return kind + library + " " + job_name;
}

std::string task_text(const PlannedTask& planned) {
  const TaskConfig& task = planned.config;
  const std::string head = "task " + task.name + ": ";
  if (!planned.scheduled) return head + "not scheduled: " + planned.reason + "\n";
  std::string text = head + (task.once ? "once" : "every " + format_duration(task.interval));
  if (task.initial_delay != Duration::zero()) text += " after " + format_duration(task.initial_delay);
  text += task.run_on == RunOn::kLeader ? " on the leader" : " on every node";
  if (!task.pool.empty()) text += ", in pool " + task.pool;
  if (task.timeout != Duration::zero()) text += ", for " + format_duration(task.timeout) + " at most";
  if (task.limits.any()) text += ", with " + limits_text(task.limits);
  if (task.warm.keep) text += ", warm" + (task.warm.group.empty() ? "" : " in group " + task.warm.group);
  if (task.retries != 0) text += ", " + std::to_string(task.retries + 1) + " attempts";
  return text + ": " + job_text(task.job) + "\n";
}

std::string worker_text(const PlannedWorker& planned) {
  const std::string head = "supervised " + planned.config.name + ": ";
  if (!planned.scheduled) return head + "not started: " + planned.reason + "\n";
  const Limits& limits = planned.config.limits;
  return head + "always on the leader" + (limits.any() ? ", with " + limits_text(limits) : "") + ": " +
         job_text(planned.config.job) + "\n";
}

Json dependencies_json(DependencySet dependencies) {
  Json names = Json::array();
  for (const Dependency dependency : dependencies.members()) names.push_back(name_of(dependency));
  return names;
}

// Those that are set, under the keys of the file.
Json limits_json(const Limits& limits) {
  Json json = Json::object();
  if (limits.memory_max_bytes != 0) json["memory_max"] = limits.memory_max_bytes;
  if (limits.processes_max != 0) json["processes_max"] = limits.processes_max;
  if (limits.cpu_weight != 0) json["cpu_weight"] = limits.cpu_weight;
  if (limits.nice != 0) json["nice"] = limits.nice;
  return json;
}

// null when no process is kept.
Json warm_json(const WarmRules& warm) {
  if (!warm.keep) return nullptr;
  return Json{{"group", text_or_null(warm.group)},
              {"idle_timeout_s", seconds_json(warm.idle_timeout)},
              {"max_runs", warm.runs_max},
              {"max_memory", warm.memory_max_bytes}};
}

Json task_json(const PlannedTask& planned) {
  const TaskConfig& task = planned.config;
  return Json{{"name", task.name},
              {"interval_s", seconds_json(task.interval)},
              {"initial_delay_s", seconds_json(task.initial_delay)},
              {"requires", dependencies_json(task.dependencies)},
              {"requires_chat_llm", task.requires_chat_llm},
              {"opt_in", text_or_null(task.opt_in)},
              {"run_on", name_of(task.run_on)},
              {"pool", text_or_null(task.pool)},
              {"timeout_s", seconds_json(task.timeout)},
              {"jitter_s", seconds_json(task.jitter)},
              {"retries", task.retries},
              {"retry_backoff_s", seconds_json(task.retry_backoff)},
              {"persist", task.persist},
              {"limits", limits_json(task.limits)},
              {"warm", warm_json(task.warm)},
              {"job", job_json(task.job)},
              {"scheduled", planned.scheduled},
              {"reason", text_or_null(planned.reason)}};
}

Json worker_json(const PlannedWorker& planned) {
  return Json{{"name", planned.config.name},
              {"job", job_json(planned.config.job)},
              {"limits", limits_json(planned.config.limits)},
              {"requires", dependencies_json(planned.config.dependencies)},
              {"opt_out", text_or_null(planned.config.opt_out)},
              {"scheduled", planned.scheduled},
              {"reason", text_or_null(planned.reason)}};
}

}  // namespace

std::string check_report_text(const Config&, const Registry& registry) {
  std::string text = scheduled_line(registry) + "\n";
  if (const std::string chat_llm = chat_llm_line(registry); !chat_llm.empty()) text += chat_llm + "\n";
  for (const PlannedTask& planned : registry.tasks) text += task_text(planned);
  for (const PlannedWorker& planned : registry.supervised) text += worker_text(planned);
  return text;
}

std::string check_report_json(const Config&, const Registry& registry) {
  Json report{{"tasks", Json::array()}, {"startup", Json::array()}, {"supervised", Json::array()}};
  for (const PlannedTask& planned : registry.tasks) {
    report[planned.config.once ? "startup" : "tasks"].push_back(task_json(planned));
  }
  for (const PlannedWorker& planned : registry.supervised) report["supervised"].push_back(worker_json(planned));
  report["chat_llm"] = text_or_null(chat_llm_line(registry));
  return report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace stargazer
