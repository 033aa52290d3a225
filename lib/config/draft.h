// A configuration while its files are being merged: the values so far, and where each of them comes from.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <unordered_map>

#include "config/schema.h"

namespace stargazer {

// The job keys that one file gives; empty = not given, or given wrong.
struct JobKeys {
  std::vector<std::string> command;
  std::string python;
  std::string plugin;
  std::string plugin_job;
  std::string native;
};

// Which of a job's two implementations runs, where it has both: Stargazer's own code or a plugin.
enum class Implementation : std::uint8_t {
  kAuto,  // Python when [python] is there, else the plugin
  kPython,
  kNative,  // the plugin
};

struct DraftState {
  Origin at;  // the table's header in the last file that had one
  KeyOrigins origins;
  bool has_job = false;  // or a file tried to give one
  Implementation implementation = Implementation::kAuto;
  std::optional<PluginJob> plugin_beside;  // of a job that is Python: its other implementation
  bool spelled_twice = false;              // in one file: what it has in the end proves nothing
};

struct TaskDraft : TaskConfig, JobKeys, DraftState {};
struct SupervisedDraft : SupervisedConfig, JobKeys, DraftState {};

struct ConfigDraft {
  // Everything but tasks and supervised.
  Config config;
  // By the path of a table or a key, such as "lease" and "lease.ttl".
  std::map<std::string, Origin, std::less<>> origins;

  std::deque<TaskDraft> tasks;  // a deque: growing leaves the references of `task_by_name` in place
  std::unordered_map<std::string, TaskDraft*> task_by_name;  // names and aliases
  std::deque<SupervisedDraft> supervised;
  std::unordered_map<std::string, SupervisedDraft*> supervised_by_name;
};

// No configuration may hold more of either kind.
inline constexpr std::size_t kTasksMax = 200'000;
inline constexpr std::size_t kSupervisedMax = 1'000;
inline constexpr std::size_t kPoolsMax = 1'000;
inline constexpr std::size_t kFlagsMax = 10'000;

// Reads one file's [tasks] and [supervised] over what earlier files said.
void read_tasks(const Entry& from, ConfigDraft& draft, const Place& place);
void read_supervised(const Entry& from, ConfigDraft& draft, const Place& place);

// What only shows once every file is read: which implementation a job has. The plugin takes the place of a Python job
// where it is the one that runs.
void choose_implementations(ConfigDraft& draft, ProblemList& problems);

// What only shows once every file is read: a task needs an interval and a job, a supervised worker a job.
void check_complete(const ConfigDraft& draft, ProblemList& problems);

// Reads a whole document over what earlier ones said. `document` is its root table, an entry without a key.
void read_document(const Entry& document, std::uint32_t file, ConfigDraft& draft, ProblemList& problems);

// The keys of one task and of one supervised worker.
std::vector<std::string_view> task_keys();
std::vector<std::string_view> supervised_keys();

// The path of every key that a file may hold; '*' stands for a name that the operator chooses.
std::vector<std::string> known_keys();

}  // namespace stargazer
