#include "io/keeper.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <string_view>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/keeper_protocol.h"
#include "io/program_directory.h"
#include "io/run_cgroup.h"
#include "io/system_error.h"

namespace stargazer {
namespace {

// How long a keeper that could not start its worker may take to end by itself.
constexpr int kEndTimeoutMs = 1000;
// A keeper answers within milliseconds. One that does not has been stopped, or the machine cannot even read its
// program.
constexpr auto kAnswerTimeout = std::chrono::seconds(5);

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

Result<Pipe> make_pipe(int flags) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC | flags) != 0) return system_error("pipe", errno);
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Everything up to the end of the file. Fails when that does not come in time, or at more than a keeper would write.
Result<std::string> read_answer(int fd) {
  const auto deadline = std::chrono::steady_clock::now() + kAnswerTimeout;
  std::string answer;
  std::array<char, kKeeperReportBytesMax> part{};
  while (answer.size() <= 4 * kKeeperReportBytesMax) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return Error("it does not answer");
    pollfd readable{fd, POLLIN, 0};
    if (poll(&readable, 1, static_cast<int>(left.count())) <= 0) continue;
    const ssize_t count = read(fd, part.data(), part.size());
    if (count == 0) return answer;
    if (count < 0) return system_error("its answer", errno);
    answer.append(part.data(), static_cast<std::size_t>(count));
  }
  return Error("it answers too much");
}

// The whole group, whoever has been started in it by now.
void end_at_once(const SpawnedProcess& process) {
  kill(-process.pid, SIGKILL);
  waitpid(process.pid, nullptr, 0);
}

bool is_program(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode) && access(path.c_str(), X_OK) == 0;
}

// "process-group\nwhy\n".
Status read_probe(std::string_view answer, KeeperSetup& setup) {
  const auto end = answer.find('\n');
  if (end == std::string_view::npos || end == 0) return Error("it does not say what it can do");
  setup.mode = answer.substr(0, end);
  answer.remove_prefix(end + 1);
  setup.weakness = answer.substr(0, answer.find('\n'));
  return {};
}

Status probe(const std::string& path, KeeperSetup& setup) {
  Result<SpawnedProcess> process = spawn_process({path, kKeeperProbeOption}, worker_environment({}), "");
  if (!process.ok()) return process.error();
  Result<std::string> answer = read_answer(process->stdout_read.get());
  end_at_once(*process);
  if (!answer.ok()) return answer.error().in(path);
  if (Status read = read_probe(*answer, setup); !read.ok()) return read.error().in(path);
  return {};
}

}  // namespace

// The worker's own PATH may be another than the one it is found in.
Result<std::string> find_program(const std::string& name) {
  if (name.empty()) return system_error(name, ENOENT);
  if (name.find('/') != std::string::npos) return name;
  const char* const path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "/bin:/usr/bin" : path;
  int error = ENOENT;
  while (!rest.empty()) {
    const std::string candidate = std::string(rest.substr(0, rest.find(':'))) + "/" + name;
    rest.remove_prefix(std::min(rest.find(':'), rest.size() - 1) + 1);
    // The worker may start in another directory than ours.
    if (!candidate.starts_with('/')) continue;
    if (is_program(candidate)) return candidate;
    if (access(candidate.c_str(), F_OK) == 0) error = EACCES;
  }
  return system_error(name, error);
}

Result<SpawnedProcess> spawn_through_keeper(const std::vector<std::string>& argv,
                                            const std::vector<std::string>& environment,
                                            const std::string& working_directory, std::vector<UniqueFd> more,
                                            std::vector<pid_t>& untidy) {
  Result<Pipe> report = make_pipe(0);
  if (!report.ok()) return report.error();
  more.push_back(std::move(report->write_end));
  Result<SpawnedProcess> process = spawn_process(argv, environment, working_directory, std::move(more));
  if (!process.ok()) return process;
  Result<std::string> answer = read_answer(report->read_end.get());
  if (answer.ok() && answer->empty()) return process;
  // By itself it leaves nothing behind.
  pollfd exited{process->pidfd.get(), POLLIN, 0};
  if (!answer.ok() || poll(&exited, 1, kEndTimeoutMs) <= 0) untidy.push_back(process->pid);
  end_at_once(*process);
  if (!answer.ok()) return answer.error().in(argv[0]);
  return Error(answer->substr(0, answer->find('\n')));
}

std::vector<std::string> keeper_places() {
  return {directory_of_this_program() + "/" + kKeeperName, STARGAZER_KEEPER_PATH};
}

KeeperSetup find_keeper(const std::vector<std::string>& places) {
  KeeperSetup setup;
  for (const std::string& place : places) {
    if (!is_program(place)) continue;
    if (Status probed = probe(place, setup); !probed.ok()) {
      setup.obstacle = probed.error().message();
    } else {
      setup.path = place;
    }
    return setup;
  }
  setup.obstacle = std::string(kKeeperName) + " is missing:";
  for (const std::string& place : places)
    setup.obstacle += " no program " + place + (&place == &places.back() ? "" : ",");
  return setup;
}

std::string keeper_line(const KeeperSetup& setup) {
  if (setup.path.empty()) return "workers of the lease cannot be started: " + setup.obstacle;
  std::string line = "the fuse of workers of the lease (" + setup.path + ") ends ";
  if (setup.mode.starts_with(kCgroupModePrefix)) {
    line += "their control groups: every descendant dies with its worker";
  } else if (setup.mode == kPidNamespaceMode) {
    line += "their PID namespaces: every descendant dies with its worker";
  } else {
    line +=
        "their processes one by one: a descendant survives only if the keeper is stopped or killed together with "
        "the daemon";
  }
  return setup.weakness.empty() ? line : line + " (" + setup.weakness + ")";
}

std::string KeptWorkers::cgroup_directory() const {
  return setup_.mode.starts_with(kCgroupModePrefix) ? setup_.mode.substr(kCgroupModePrefix.size()) : "";
}

Result<SpawnedProcess> KeptWorkers::spawn(const std::vector<std::string>& argv,
                                          const std::vector<std::string>& environment,
                                          const std::string& working_directory, Instant fuse,
                                          const std::string& cgroup) {
  if (setup_.path.empty()) return Error(setup_.obstacle);
  Result<std::string> program = find_program(argv[0]);
  if (!program.ok()) return program.error();
  Result<Pipe> told = make_pipe(O_NONBLOCK);
  if (!told.ok()) return told.error();
  // As much as a keeper that is not stopped will ever leave unread.
  fcntl(told->write_end.get(), F_SETPIPE_SZ, kFusePipeBytesMax);

  const bool elsewhere = uses_cgroups() && !cgroup.empty();
  const std::string mode = elsewhere ? std::string(kCgroupModePrefix) + cgroup : setup_.mode;
  std::vector<std::string> arguments{setup_.path, mode, std::to_string(fuse.time_since_epoch().count()), *program};
  arguments.insert(arguments.end(), argv.begin(), argv.end());
  std::vector<UniqueFd> more;
  more.push_back(std::move(told->read_end));
  Result<SpawnedProcess> process =
      spawn_through_keeper(arguments, environment, working_directory, std::move(more), untidy_);
  if (process.ok()) fuses_[process->pid] = std::move(told->write_end);
  return process;
}

void KeptWorkers::extend(Instant fuse) {
  const FuseRecord record = fuse.time_since_epoch().count();
  for (const auto& [keeper, pipe] : fuses_) {
    // A full pipe is that of a keeper that is stopped, a broken one that of a keeper that has just ended.
    if (write(pipe.get(), &record, sizeof record) < 0) continue;
  }
}

void KeptWorkers::ended(pid_t keeper) {
  if (fuses_.erase(keeper) == 0 || cgroup_directory().empty()) return;
  // Usually the keeper has removed it already.
  if (RunCgroup(cgroup_directory(), keeper).kill().ok()) untidy_.push_back(keeper);
}

void KeptWorkers::tidy() {
  if (cgroup_directory().empty()) untidy_.clear();
  std::erase_if(untidy_, [this](pid_t keeper) { return RunCgroup(cgroup_directory(), keeper).remove(); });
}

}  // namespace stargazer
