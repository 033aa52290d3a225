// A UvWorkerHost with real processes on a loop of its own, and everything that it told.
#pragma once

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <sys/prctl.h>
#include <unistd.h>
#include <vector>

#include "io/uv_worker_host.h"
#include "unit/catch.h"

namespace stargazer::testing {

// A line that a worker wrote to its fd 3.
struct ToldRequest {
  RunId run;
  std::string line;
  bool cut = false;
  std::uint32_t request_id = 0;
};

struct ToldLine {
  OutputStream stream{};
  std::string text;
  bool cut = false;
};

// What was told of one run.
struct Told {
  int exited_count = 0;
  int closed_count = 0;
  ExitStatus status;
  std::string detail;
  std::string limit;
  std::vector<ToldLine> lines;

  bool over() const { return exited_count > 0 && closed_count > 0; }
  // The lines of one stream, each with a newline.
  std::string text(OutputStream stream = OutputStream::kStdout) const {
    std::string all;
    for (const ToldLine& line : lines) {
      if (line.stream == stream) all += line.text + "\n";
    }
    return all;
  }
};

inline std::size_t open_descriptor_count() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

inline std::vector<pid_t> children_of_this_process() {
  const std::string self = std::to_string(getpid());
  std::ifstream file("/proc/" + self + "/task/" + self + "/children");
  std::vector<pid_t> all;
  for (pid_t pid = 0; file >> pid;) all.push_back(pid);
  return all;
}

// False for a zombie as well.
inline bool runs(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text)) return false;
  const char state = text[text.rfind(')') + 2];
  return state != 'Z' && state != 'X';
}

// Gone from the process table: dead and reaped.
inline bool gone(pid_t pid) {
  return kill(pid, 0) != 0 && errno == ESRCH;
}

inline std::vector<std::string> shell(const std::string& script) {
  return {"/bin/sh", "-c", script};
}

inline std::vector<std::string> python(const std::string& program) {
  return {"/usr/bin/python3", "-c", program};
}

class WorkerHostFixture {
 public:
  explicit WorkerHostFixture(std::size_t line_bytes_max = 16384, KeeperSetup keeper = {},
                             const std::vector<std::string>& python_argv = {}, const std::string& python_directory = "",
                             LimitSetup limit_setup = {}, std::uint32_t warm_idle_max = 0) {
    signal(SIGPIPE, SIG_IGN);
    REQUIRE(uv_loop_init(&loop_) == 0);
    UvWorkerHost::Callbacks callbacks;
    callbacks.post = [this](Input input) { take(std::move(input)); };
    callbacks.output = [this](const OutputLine& line) {
      if (on_line) {
        on_line(line);
      } else {
        told[line.run].lines.push_back({line.stream, std::string(line.text), line.cut});
      }
    };
    callbacks.request = [this](RunId run, std::uint32_t request_id, std::string_view line, bool cut) {
      requests.push_back({run, std::string(line), cut, request_id});
      if (on_request) on_request(requests.back());
    };
    callbacks.run_params = [](const SpawnRequest& request) { return R"({"task":")" + request.name + R"("})"; };
    callbacks.output_congested = [this] { return congested && congested(); };
    callbacks.start_native = [this](RunId run, const std::string& name) {
      if (name != "known") return Status(Error("there is no native job " + name));
      native_started.push_back(run);
      return Status();
    };
    callbacks.stop_native = [this](RunId run) { native_stopped.push_back(run); };
    callbacks.orphans_killed = [this](std::size_t count) { orphans_killed += count; };
    callbacks.warm_ended = [this](const WarmEnded& ended) { warm_ends.push_back(ended); };
    host = std::make_unique<UvWorkerHost>(&loop_,
                                          UvWorkerHost::Options{line_bytes_max,
                                                                "node-1",
                                                                std::move(keeper),
                                                                python_argv,
                                                                python_directory,
                                                                std::move(limit_setup),
                                                                {},
                                                                warm_idle_max},
                                          std::move(callbacks));
  }

  // Whatever the test did: nothing is left of its processes, and every handle can be closed.
  ~WorkerHostFixture() {
    close();
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
    CHECK(children_of_this_process().empty());
    for (const auto& [run, all] : told) {
      CHECK(all.exited_count <= 1);
      CHECK(all.closed_count <= 1);
    }
  }
  WorkerHostFixture(const WorkerHostFixture&) = delete;
  WorkerHostFixture& operator=(const WorkerHostFixture&) = delete;

  // Closes the host and the loop before the fixture goes.
  void close() {
    if (host == nullptr) return;
    host->close();
    uv_run(&loop_, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop_) == 0);
    host.reset();
  }

  Status try_start(RunId run, const Job& job) {
    const std::string id_text = run_id_text(run);
    const Job& kept_job = jobs_.emplace_back(job);
    return host->spawn({run,
                        id_text,
                        task,
                        &kept_job,
                        &environment,
                        &working_directory,
                        epoch,
                        fuse,
                        {},
                        {},
                        1,
                        &limits,
                        nullptr,
                        warm});
  }

  // REQUIRE: it starts.
  RunId start(const std::vector<std::string>& argv) {
    const RunId run{++last_run_};
    const Status started = try_start(run, CommandJob{argv});
    INFO((started.ok() ? "" : started.error().message()));
    REQUIRE(started.ok());
    return run;
  }

  // Why a command does not start. REQUIRE: it does not.
  std::string start_error(const std::vector<std::string>& argv) {
    const Status started = try_start(RunId{++last_run_}, CommandJob{argv});
    REQUIRE_FALSE(started.ok());
    return started.error().message();
  }

  // The limit only keeps a broken host from hanging the tests.
  void run_until(const std::function<bool()>& condition) {
    bool too_late = false;
    uv_timer_t limit{};
    uv_timer_init(&loop_, &limit);
    limit.data = &too_late;
    uv_timer_start(
        &limit, [](uv_timer_t* timer) { *static_cast<bool*>(timer->data) = true; }, 60'000, 0);
    while (!condition() && !too_late) uv_run(&loop_, UV_RUN_ONCE);
    bool closed = false;
    limit.data = &closed;
    uv_close(reinterpret_cast<uv_handle_t*>(&limit),
             [](uv_handle_t* handle) { *static_cast<bool*>(handle->data) = true; });
    while (!closed) uv_run(&loop_, UV_RUN_NOWAIT);
    REQUIRE_FALSE(too_late);
  }

  const Told& finish(RunId run) {
    run_until([&] { return told[run].over(); });
    return told[run];
  }

  const Told& run_to_end(const std::vector<std::string>& argv) { return finish(start(argv)); }

  // The pid that a worker wrote as line `index`.
  pid_t told_pid(RunId run, std::size_t index = 0) {
    run_until([&] { return told[run].lines.size() > index; });
    const auto pid = static_cast<pid_t>(std::strtol(told[run].lines[index].text.c_str(), nullptr, 10));
    REQUIRE(pid > 1);
    return pid;
  }

  static std::string run_id_text(RunId run) { return "test-" + std::to_string(run.number); }

  std::unique_ptr<UvWorkerHost> host;
  std::map<RunId, Told> told;
  std::function<void(const OutputLine&)> on_line;
  std::function<bool()> congested;
  std::vector<ToldRequest> requests;
  std::function<void(const ToldRequest&)> on_request;
  std::vector<RunId> native_started;
  std::vector<RunId> native_stopped;
  std::size_t orphans_killed = 0;
  std::vector<WarmEnded> warm_ends;
  std::vector<RunReported> reports;
  Environment environment;
  std::string working_directory;
  std::uint64_t epoch = 0;
  Instant fuse = kNever;
  Limits limits;
  std::string task = "task-1";
  const WarmRules* warm = nullptr;

 private:
  void take(Input input) {
    if (const auto* exited = std::get_if<Exited>(&input)) {
      ++told[exited->run].exited_count;
      told[exited->run].status = exited->status;
      told[exited->run].detail = exited->detail;
      told[exited->run].limit = exited->limit;
    } else if (const auto* closed = std::get_if<ChannelClosed>(&input)) {
      ++told[closed->run].closed_count;
    } else if (const auto* reported = std::get_if<RunReported>(&input)) {
      reports.push_back(*reported);
    } else {
      FAIL("the host posted something else");
    }
  }

  uv_loop_t loop_{};
  std::list<Job> jobs_;  // as long as the host may look at them
  std::uint64_t last_run_ = 0;
};

}  // namespace stargazer::testing
