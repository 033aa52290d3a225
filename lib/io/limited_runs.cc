#include "io/limited_runs.h"

#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "io/delegated_cgroup.h"
#include "io/keeper_protocol.h"
#include "io/run_usage.h"

namespace stargazer {
namespace {

// Of a run whose memory alone is watched.
constexpr std::uint64_t kProcessesLookedAtMax = 10'000;

// The number behind `name` in a file of "name number" lines; 0 when it is not there.
std::uint64_t count_in(const std::string& path, std::string_view name) {
  for (const std::string& line : lines_of(path)) {
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ' ')
      return std::strtoull(line.c_str() + name.size(), nullptr, 10);
  }
  return 0;
}

std::string memory_limit(const char* what, const Limits& limits) {
  return std::string(what) + " memory_max of " + format_size(limits.memory_max_bytes);
}

std::string processes_limit(const char* what, const Limits& limits) {
  return std::string(what) + " processes_max of " + std::to_string(limits.processes_max);
}

// What the kernel says of a process that we started begins with the most that we ourselves had until then, since up to
// its first execve it shared our memory. Only more than that is surely its own.
bool surely_used_more_than(std::uint64_t bytes, const rusage& used) {
  rusage ours{};
  getrusage(RUSAGE_SELF, &ours);
  return used.ru_maxrss > ours.ru_maxrss && static_cast<std::uint64_t>(used.ru_maxrss) * 1024 > bytes;
}

// What the kernel has counted in the run's group.
std::string reached_in_group(const std::string& group, const Limits& limits) {
  std::string text;
  // Without "oom" it was the machine that had no memory left, and not the group.
  const std::string events = group + "/memory.events";
  if (limits.memory_max_bytes != 0 && count_in(events, "oom") > 0 && count_in(events, "oom_kill") > 0)
    text = memory_limit("killed by", limits);
  if (limits.processes_max != 0 && count_in(group + "/pids.events", "max") > 0)
    text += (text.empty() ? "" : ", ") + processes_limit("reached", limits);
  return text;
}

// memory.swap.max is absent where there is no swap accounting.
Status write_limits(const std::string& group, const Limits& limits, const LimitSetup& setup) {
  const auto write = [&group](const char* file, std::uint64_t value) {
    return write_file(group + "/" + file, std::to_string(value));
  };
  Status written;
  if (limits.memory_max_bytes != 0 && setup.memory) {
    written = write("memory.max", limits.memory_max_bytes);
    if (written.ok()) written = write("memory.oom.group", 1);
    if (access((group + "/memory.swap.max").c_str(), W_OK) == 0 && written.ok()) written = write("memory.swap.max", 0);
  }
  if (written.ok() && limits.processes_max != 0 && setup.processes) written = write("pids.max", limits.processes_max);
  if (written.ok() && limits.cpu_weight != 0 && setup.cpu) written = write("cpu.weight", limits.cpu_weight);
  return written;
}

}  // namespace

LimitedRuns::LimitedRuns(uv_loop_t* loop, LimitSetup setup, std::function<void(RunId)> kill)
    : setup_(std::move(setup)), kill_(std::move(kill)) {
  uv_timer_init(loop, &timer_);
  timer_.data = this;
}

Result<SpawnedProcess> LimitedRuns::spawn(const SpawnRequest& request, const std::vector<std::string>& argv,
                                          const std::vector<std::string>& environment,
                                          const std::string& working_directory, KeptWorkers& kept) {
  if (setup_.helper.empty()) return Error("limits: " + setup_.helper_obstacle);
  Result<std::string> program = find_program(argv[0]);
  if (!program.ok()) return program.error();
  Limited& limited = runs_[request.run];
  limited.limits = *request.limits;
  limited.run_id_text = request.run_id_text;
  if (Status made = make_group(limited, request.run); !made.ok()) {
    drop(request.run);
    return made.error().in("limits");
  }
  // A keeper that makes control groups makes its worker's below that of the run.
  const bool has_keeper = request.fuse != kNever;
  std::vector<std::string> words = words_of(limited, !has_keeper || !kept.uses_cgroups());
  words.push_back(*program);
  words.insert(words.end(), argv.begin(), argv.end());
  std::vector<pid_t> untidy;
  Result<SpawnedProcess> process = has_keeper
                                       ? kept.spawn(words, environment, working_directory, request.fuse, limited.group)
                                       : spawn_through_keeper(words, environment, working_directory, {}, untidy);
  if (!process.ok()) {
    drop(request.run);
    return process;
  }
  limited.leader = process->pid;
  if (is_watched(limited.limits) && uv_is_active(reinterpret_cast<uv_handle_t*>(&timer_)) == 0) {
    uv_timer_start(
        &timer_, [](uv_timer_t* timer) { static_cast<LimitedRuns*>(timer->data)->look(); }, kLookEveryMs, kLookEveryMs);
  }
  return process;
}

Status LimitedRuns::make_group(Limited& limited, RunId run) const {
  if (setup_.directory.empty()) return {};
  const RunCgroup group(setup_.directory, getpid(), run.number);
  if (Status made = group.make(); !made.ok()) return made;
  limited.group = group.path();
  return write_limits(limited.group, limited.limits, setup_);
}

std::vector<std::string> LimitedRuns::words_of(const Limited& limited, bool enters_group) const {
  std::vector<std::string> words{setup_.helper, kLimitedMode};
  const Limits& limits = limited.limits;
  if (!limited.group.empty() && enters_group) words.push_back(std::string(kCgroupModePrefix) + limited.group);
  if (limits.nice != 0) words.push_back(std::string(kNicePrefix) + std::to_string(limits.nice));
  if (limits.memory_max_bytes != 0 && !setup_.memory)
    words.push_back(std::string(kDataPrefix) + std::to_string(2 * limits.memory_max_bytes));
  words.emplace_back(kLimitsEnd);
  return words;
}

bool LimitedRuns::is_watched(const Limits& limits) const {
  return (limits.memory_max_bytes != 0 && !setup_.memory) || (limits.processes_max != 0 && !setup_.processes);
}

void LimitedRuns::look() {
  bool any = false;
  for (auto& [run, limited] : runs_) {
    if (!is_watched(limited.limits)) continue;
    any = true;
    look_at(run, limited);
  }
  if (!any) uv_timer_stop(&timer_);
}

void LimitedRuns::look_at(RunId run, Limited& limited) {
  const Limits& limits = limited.limits;
  const std::uint64_t enough = limits.processes_max != 0 ? limits.processes_max : kProcessesLookedAtMax;
  const RunUsage usage = usage_of(limited.leader, limited.run_id_text, enough);
  std::string killed_by;
  if (limits.processes_max != 0 && !setup_.processes && usage.processes > limits.processes_max)
    killed_by = processes_limit("killed by", limits);
  if (limits.memory_max_bytes != 0 && !setup_.memory && usage.memory_bytes > limits.memory_max_bytes)
    killed_by = memory_limit("killed by", limits);
  if (killed_by.empty()) return;
  limited.killed_by = killed_by;
  kill_(run);
}

void LimitedRuns::kill_group(RunId run) const {
  const auto place = runs_.find(run);
  // What it cannot reach, the signal to the process group does.
  if (place != runs_.end() && !place->second.group.empty())
    static_cast<void>(RunCgroup(place->second.group).kill().ok());
}

std::string LimitedRuns::reached(RunId run) const {
  const auto place = runs_.find(run);
  if (place == runs_.end()) return "";
  const Limited& limited = place->second;
  return limited.killed_by.empty() && !limited.group.empty() ? reached_in_group(limited.group, limited.limits)
                                                             : limited.killed_by;
}

std::string LimitedRuns::ended(RunId run, const rusage& usage) {
  const auto place = runs_.find(run);
  if (place == runs_.end()) return "";
  const Limited& limited = place->second;
  const Limits& limits = limited.limits;
  std::string limit = reached(run);
  const bool unwatched = limit.empty() && !setup_.memory && limits.memory_max_bytes != 0;
  if (unwatched && surely_used_more_than(limits.memory_max_bytes, usage)) limit = memory_limit("exceeded", limits);
  drop(run);
  return limit;
}

void LimitedRuns::drop(RunId run) {
  kill_group(run);
  const std::string group = runs_.at(run).group;
  if (!group.empty()) untidy_.push_back(group);
  runs_.erase(run);
  tidy();
}

void LimitedRuns::tidy() {
  std::erase_if(untidy_, [](const std::string& group) { return RunCgroup(group).remove(); });
}

void LimitedRuns::close() {
  while (!runs_.empty()) drop(runs_.begin()->first);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
}

}  // namespace stargazer
