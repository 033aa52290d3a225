// [tasks.NAME] and [supervised.NAME]: their keys, their names and aliases, and how a later file overrides an earlier.
#include <optional>

#include "config/draft.h"
#include "config/limit_reader.h"
#include "config/settings_reader.h"
#include "config/warm_reader.h"

namespace stargazer {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kArgumentsMax = 1024;
constexpr std::size_t kAliasesMax = 16;
constexpr std::size_t kVariablesMax = 1024;
constexpr const char* kJobsAllowed = "command, python, plugin with job, or native";
constexpr std::array<std::string_view, 3> kImplementations{"auto", "python", "native"};

// One word of `words` at a time; the problem names the nearest of them.
std::optional<std::size_t> choice_of(const Node& node, const std::vector<std::string_view>& words, const Entry& entry,
                                     const Place& place) {
  const auto* text = std::get_if<std::string>(&node.value);
  for (std::size_t word = 0; text != nullptr && word < words.size(); ++word) {
    if (words[word] == *text) return word;
  }
  const std::string found = text == nullptr ? kind_name(node) : in_quotes(*text);
  place.problem(entry, "is " + found + suggestion(text == nullptr ? "" : *text, words));
  return std::nullopt;
}

template <typename Draft>
void read_requires(const Entry& entry, Draft& task, const Place& place) {
  const auto* array = std::get_if<Array>(&entry.value.value);
  std::vector<std::string_view> names;
  for (std::size_t name = 0; name < kDependencyCount; ++name) names.push_back(name_of(static_cast<Dependency>(name)));
  if (array == nullptr) {
    return place.problem(entry, std::string("is ") + kind_name(entry.value) + ", allowed is an array of strings" +
                                    suggestion("", names));
  }
  task.dependencies = {};
  for (const Node& item : *array) {
    const auto dependency = choice_of(item, names, entry, place);
    if (dependency) task.dependencies.insert(static_cast<Dependency>(*dependency));
  }
}

void read_run_on(const Entry& entry, TaskDraft& task, const Place& place) {
  const auto place_to_run = choice_of(entry.value, {"every_node", "leader"}, entry, place);
  if (place_to_run) task.run_on = *place_to_run == 0 ? RunOn::kEveryNode : RunOn::kLeader;
}

template <typename Draft>
void read_implementation(const Entry& entry, Draft& draft, const Place& place) {
  const auto choice = choice_of(entry.value, {kImplementations.begin(), kImplementations.end()}, entry, place);
  if (choice) draft.implementation = static_cast<Implementation>(*choice);
}

// Each variable overrides the one of that name in an earlier file. Never repeats a value: it may be a secret.
template <typename Draft>
void read_environment(const Entry& from, Draft& draft, const Place& place) {
  const Place inner = place.inner(from.key);
  read_entries(from.value, from.at, inner, kGivenTwice, [&](const Entry& entry) {
    std::string problem = variable_problem(entry.key);
    Result<std::string> value = text_of(entry.value, any_text);
    if (problem.empty() && !value) problem = value.error().message();
    if (problem.empty() && draft.environment.size() >= kVariablesMax && !draft.environment.contains(entry.key)) {
      problem = "is one variable too many, allowed are " + std::to_string(kVariablesMax);
    }
    if (!problem.empty()) return inner.problem(entry, problem);
    draft.environment[entry.key] = std::move(*value);
  });
}

template <typename Draft>
void read_job_settings(const Entry& from, Draft& draft, const Place& place) {
  read_settings(from, draft.settings, place);
}

using TaskKey = Key<TaskDraft>;
constexpr std::array kTaskKeys{
    TaskKey{"aliases", TaskKey::Texts{&TaskDraft::aliases, kAliasesMax, task_names}},
    TaskKey{"interval", TaskKey::Time{&TaskDraft::interval, kIntervalMin, kDurationMax}},
    TaskKey{"initial_delay", TaskKey::Time{&TaskDraft::initial_delay, 0s, kDurationMax}},
    TaskKey{"jitter", TaskKey::Time{&TaskDraft::jitter, 0s, kDurationMax}},
    TaskKey{"timeout", TaskKey::Time{&TaskDraft::timeout, 1ms, kDurationMax, true}},
    TaskKey{"stop_grace", TaskKey::Time{&TaskDraft::stop_grace, 0s, 1h}},
    TaskKey{"retries", TaskKey::Number{&TaskDraft::retries, 0, kRetriesMax}},
    TaskKey{"retry_backoff", TaskKey::Time{&TaskDraft::retry_backoff, kIntervalMin, kDurationMax}},
    TaskKey{"requires", &read_requires<TaskDraft>},
    TaskKey{"requires_chat_llm", TaskKey::Flag{&TaskDraft::requires_chat_llm}},
    TaskKey{"opt_in", TaskKey::Text{&TaskDraft::opt_in, flag_name_or_empty}},
    TaskKey{"pool", TaskKey::Text{&TaskDraft::pool, name_or_empty}},
    TaskKey{"run_on", &read_run_on},
    TaskKey{"persist", TaskKey::Flag{&TaskDraft::persist}},
    TaskKey{"once", TaskKey::Flag{&TaskDraft::once}},
    TaskKey{"enabled", TaskKey::Flag{&TaskDraft::enabled}},
    TaskKey{"environment", &read_environment<TaskDraft>},
    TaskKey{"settings", &read_job_settings<TaskDraft>},
    TaskKey{"working_directory", TaskKey::Text{&TaskDraft::working_directory, absolute_path_or_empty}},
    TaskKey{"memory_max", &read_limit<TaskDraft, read_memory_max>},
    TaskKey{"cpu_weight", &read_limit<TaskDraft, read_cpu_weight>},
    TaskKey{"processes_max", &read_limit<TaskDraft, read_processes_max>},
    TaskKey{"nice", &read_limit<TaskDraft, read_nice>},
    TaskKey{"warm", &read_warm_rule<TaskDraft, read_warm>},
    TaskKey{"warm_group", &read_warm_rule<TaskDraft, read_warm_group>},
    TaskKey{"warm_idle_timeout", &read_warm_rule<TaskDraft, read_warm_idle_timeout>},
    TaskKey{"warm_max_runs", &read_warm_rule<TaskDraft, read_warm_max_runs>},
    TaskKey{"warm_max_memory", &read_warm_rule<TaskDraft, read_warm_max_memory>},
    TaskKey{"command", TaskKey::Texts{&TaskDraft::command, kArgumentsMax, command_line}},
    TaskKey{"python", TaskKey::Text{&TaskDraft::python, python_target}},
    TaskKey{"plugin", TaskKey::Text{&TaskDraft::plugin, plugin_library}},
    TaskKey{"job", TaskKey::Text{&TaskDraft::plugin_job, plugin_job}},
    TaskKey{"implementation", &read_implementation<TaskDraft>},
    TaskKey{"native", TaskKey::Text{&TaskDraft::native, native_job}},
};

using WorkerKey = Key<SupervisedDraft>;
constexpr std::array kSupervisedKeys{
    WorkerKey{"requires", &read_requires<SupervisedDraft>},
    WorkerKey{"opt_out", WorkerKey::Text{&SupervisedDraft::opt_out, flag_name_or_empty}},
    WorkerKey{"enabled", WorkerKey::Flag{&SupervisedDraft::enabled}},
    WorkerKey{"stop_grace", WorkerKey::Time{&SupervisedDraft::stop_grace, 0s, 1h}},
    WorkerKey{"environment", &read_environment<SupervisedDraft>},
    WorkerKey{"settings", &read_job_settings<SupervisedDraft>},
    WorkerKey{"working_directory", WorkerKey::Text{&SupervisedDraft::working_directory, absolute_path_or_empty}},
    WorkerKey{"memory_max", &read_limit<SupervisedDraft, read_memory_max>},
    WorkerKey{"cpu_weight", &read_limit<SupervisedDraft, read_cpu_weight>},
    WorkerKey{"processes_max", &read_limit<SupervisedDraft, read_processes_max>},
    WorkerKey{"nice", &read_limit<SupervisedDraft, read_nice>},
    WorkerKey{"command", WorkerKey::Texts{&SupervisedDraft::command, kArgumentsMax, command_line}},
    WorkerKey{"python", WorkerKey::Text{&SupervisedDraft::python, python_target}},
    WorkerKey{"plugin", WorkerKey::Text{&SupervisedDraft::plugin, plugin_library}},
    WorkerKey{"job", WorkerKey::Text{&SupervisedDraft::plugin_job, plugin_job}},
    WorkerKey{"implementation", &read_implementation<SupervisedDraft>},
};

// A plugin and its job belong together, so a later file may change one of them alone.
template <typename Draft>
PluginJob plugin_of(const Draft& draft, const Entry& from, const Place& place, bool library_given, bool job_given) {
  const PluginJob* before = draft.plugin_beside ? &*draft.plugin_beside : std::get_if<PluginJob>(&draft.job);
  PluginJob plugin = before == nullptr ? PluginJob{} : *before;
  auto& [library, job] = plugin;
  if (library_given) library = draft.plugin;
  if (job_given) job = draft.plugin_job;
  if (before == nullptr && library_given != job_given) {
    place.problem(from, library_given ? "has a plugin but no job, allowed are both or neither"
                                      : "has a job but no plugin, allowed are both or neither");
  }
  return plugin;
}

// Turns the job keys that this file gives into the task's job; it replaces the one of an earlier file, both
// implementations of it.
template <typename Draft>
void take_job(Draft& draft, const Entry& from, const Place& place) {
  const auto given = [&](std::string_view key) { return draft.origins.set_in(key, place.file); };
  std::vector<std::string_view> kinds;
  for (const std::string_view kind : {"command", "python", "plugin", "native"}) {
    if (given(kind) || (kind == "plugin" && given("job"))) kinds.push_back(kind);
  }
  if (kinds.empty()) return;
  draft.has_job = true;
  const bool both = kinds == std::vector<std::string_view>{"python", "plugin"};
  if (kinds.size() > 1 && !both) {
    return place.problem(from, "has two jobs, " + std::string(kinds[0]) + " and " + std::string(kinds[1]) +
                                   "; allowed is one of " + kJobsAllowed + ", or python beside plugin with job");
  }
  std::optional<PluginJob> plugin;
  if (kinds.back() == "plugin") plugin = plugin_of(draft, from, place, given("plugin"), given("job"));
  if (kinds[0] == "command") draft.job = CommandJob{std::move(draft.command)};
  if (kinds[0] == "python") draft.job = PythonJob{std::move(draft.python)};
  if (kinds[0] == "native") draft.job = NativeJob{std::move(draft.native)};
  if (kinds[0] == "plugin") draft.job = *plugin;
  draft.plugin_beside = both ? std::move(plugin) : std::nullopt;
}

template <typename Draft>
void choose_implementation(Draft& draft, const Config& config, const std::string& path, ProblemList& problems) {
  const bool has_plugin = draft.plugin_beside || std::holds_alternative<PluginJob>(draft.job);
  const bool missing =
      (draft.implementation == Implementation::kPython && !std::holds_alternative<PythonJob>(draft.job)) ||
      (draft.implementation == Implementation::kNative && !has_plugin);
  if (missing && draft.has_job) {
    problems.add(*draft.origins.find("implementation"), path + ".implementation",
                 "is " + in_quotes(std::string(kImplementations[static_cast<std::size_t>(draft.implementation)])) +
                     ", but the job has none of that kind, allowed is one that it has, or \"auto\"");
  }
  const bool native = draft.implementation == Implementation::kNative ||
                      (draft.implementation == Implementation::kAuto && !config.python);
  if (native && draft.plugin_beside) draft.job = *draft.plugin_beside;
}

// Reads the table of one task or supervised worker.
template <typename Draft, std::size_t Count>
void read_draft(const Entry& from, const std::array<Key<Draft>, Count>& keys, Draft& draft, const Place& place) {
  static_cast<JobKeys&>(draft) = {};
  draft.at = place.origin_of(from.at);
  read_table(from, keys, draft, draft.origins, place.inner(draft.name));
  take_job(draft, from, place);
}

// The aliases that one file declares, to the name as it spells it, so that their order in the file does not matter.
std::unordered_map<std::string, std::string> declared_aliases(const Table& tasks) {
  std::unordered_map<std::string, std::string> aliases;
  for (const Entry& task : tasks) {
    const auto* keys = std::get_if<Table>(&task.value.value);
    for (std::size_t key = 0; keys != nullptr && key < keys->size(); ++key) {
      const auto* names = std::get_if<Array>(&(*keys)[key].value.value);
      if ((*keys)[key].key != "aliases" || names == nullptr) continue;
      for (const Node& name : *names) {
        if (const auto* text = std::get_if<std::string>(&name.value)) aliases.emplace(*text, task.key);
      }
    }
  }
  return aliases;
}

// The task of that name, perhaps a new one; nullptr when there are too many.
TaskDraft* task_named(ConfigDraft& draft, const std::string& name) {
  if (const auto found = draft.task_by_name.find(name); found != draft.task_by_name.end()) return found->second;
  if (draft.tasks.size() == kTasksMax) return nullptr;
  TaskDraft& task = draft.tasks.emplace_back();
  task.name = name;
  return draft.task_by_name[name] = &task;
}

void register_aliases(TaskDraft& task, const std::vector<std::string>& before, ConfigDraft& draft, const Entry& from,
                      const Place& place) {
  if (task.aliases == before) return;
  for (const std::string& alias : before) {
    if (alias != task.name) draft.task_by_name.erase(alias);
  }
  for (const std::string& alias : task.aliases) {
    const auto [found, is_new] = draft.task_by_name.emplace(alias, &task);
    if (is_new || found->second == &task) continue;
    place.problem(from, "two names for one task: its alias " + in_quotes(alias) + " already names the task " +
                            in_quotes(found->second->name) + "; allowed is a name of its own");
  }
}

}  // namespace

void read_tasks(const Entry& from, ConfigDraft& draft, const Place& place) {
  std::unordered_map<const TaskDraft*, const Entry*> read_here;
  const auto* table = std::get_if<Table>(&from.value.value);
  const auto aliases = table == nullptr ? decltype(declared_aliases({})){} : declared_aliases(*table);

  read_entries(from.value, from.at, place, "two names for one task", [&](const Entry& entry) {
    if (const std::string problem = name_problem(entry.key); !problem.empty()) return place.problem(entry, problem);
    const auto canonical = aliases.find(entry.key);
    TaskDraft* task = task_named(draft, canonical == aliases.end() ? entry.key : canonical->second);
    if (task == nullptr) {
      return place.problem(entry, "is one task too many, allowed are " + std::to_string(kTasksMax));
    }
    if (const auto [first, is_new] = read_here.emplace(task, &entry); !is_new) {
      task->spelled_twice = true;
      return place.problem(entry, "two names for one task: " + in_quotes(first->second->key) + " at " +
                                      place.problems.shown(place.origin_of(first->second->at)) +
                                      " is the same task; allowed is one table a task in a file");
    }
    const std::vector<std::string> aliases_before = task->aliases;
    read_draft(entry, kTaskKeys, *task, place);
    register_aliases(*task, aliases_before, draft, entry, place);
  });
}

void read_supervised(const Entry& from, ConfigDraft& draft, const Place& place) {
  read_entries(from.value, from.at, place, "two names for one worker", [&](const Entry& entry) {
    if (const std::string problem = name_problem(entry.key); !problem.empty()) return place.problem(entry, problem);
    SupervisedDraft*& worker = draft.supervised_by_name[entry.key];
    if (worker == nullptr && draft.supervised.size() == kSupervisedMax) {
      draft.supervised_by_name.erase(entry.key);
      return place.problem(entry, "is one worker too many, allowed are " + std::to_string(kSupervisedMax));
    }
    if (worker == nullptr) {
      worker = &draft.supervised.emplace_back();
      worker->name = entry.key;
    }
    read_draft(entry, kSupervisedKeys, *worker, place);
  });
}

void choose_implementations(ConfigDraft& draft, ProblemList& problems) {
  for (TaskDraft& task : draft.tasks) choose_implementation(task, draft.config, "tasks." + task.name, problems);
  for (SupervisedDraft& worker : draft.supervised) {
    choose_implementation(worker, draft.config, "supervised." + worker.name, problems);
  }
}

void check_complete(const ConfigDraft& draft, ProblemList& problems) {
  for (const TaskDraft& task : draft.tasks) {
    if (task.spelled_twice) continue;
    const std::string path = "tasks." + task.name;
    if (!task.once && task.origins.find("interval") == nullptr) {
      problems.add(task.at, path, "has no interval, allowed is " + format_duration(kIntervalMin) + " and more");
    }
    if (!task.has_job) problems.add(task.at, path, std::string("has no job, allowed is one of ") + kJobsAllowed);
  }
  for (const SupervisedDraft& worker : draft.supervised) {
    if (worker.has_job) continue;
    problems.add(worker.at, "supervised." + worker.name,
                 "has no job, allowed is one of command, python, or plugin with job");
  }
}

std::vector<std::string_view> task_keys() {
  return names_of(kTaskKeys);
}

std::vector<std::string_view> supervised_keys() {
  return names_of(kSupervisedKeys);
}

}  // namespace stargazer
