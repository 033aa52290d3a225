// How workers are started: what they get, and what is told when they cannot be. See the files beside it for their
// output and for how they are stopped.
#include "io/uv_worker_host.h"

#include <fcntl.h>
#include <set>
#include <sstream>
#include <sys/resource.h>
#include <sys/stat.h>

#include "io/spawn.h"
#include "io/worker_rpc.h"
#include "support/temporary_directory.h"
#include "unit/worker_host_fixture.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

std::string write_file(const std::filesystem::path& path, const std::string& text, unsigned mode) {
  std::ofstream(path) << text;
  std::filesystem::permissions(path, static_cast<std::filesystem::perms>(mode));
  return path.string();
}

// The value after "NAME:" in /proc/PID/status.
std::string status_value(const std::string& status, const std::string& name) {
  std::istringstream lines(status);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(name + ":\t", 0) == 0) return line.substr(name.size() + 2);
  }
  return "none";
}

class LoweredDescriptorLimit {
 public:
  LoweredDescriptorLimit() {
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const rlimit lowered{256, before_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &lowered) == 0);
  }
  ~LoweredDescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }
  LoweredDescriptorLimit(const LoweredDescriptorLimit&) = delete;
  LoweredDescriptorLimit& operator=(const LoweredDescriptorLimit&) = delete;

 private:
  rlimit before_{};
};

// glibc keeps two signals for its threads and leaves them ignored in a child.
constexpr std::uint64_t kSignalsOfLibc = 0x180000000;

}  // namespace

TEST_CASE("a worker's exit code is told, once", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  for (const int code : {0, 1, 77, 255}) {
    const Told& told = fixture.run_to_end(shell("exit " + std::to_string(code)));
    CHECK(told.status.code == code);
    CHECK(told.status.signal == 0);
    CHECK(told.exited_count == 1);
    CHECK(told.closed_count == 1);
  }
}

TEST_CASE("a worker's death by a signal is told as the signal", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  for (const int number : {SIGKILL, SIGTERM, SIGUSR1}) {
    const Told& told = fixture.run_to_end(shell("kill -" + std::to_string(number) + " $$"));
    CHECK(told.status.signal == number);
    CHECK(told.status.code == 0);
  }
}

TEST_CASE("what cannot be executed is an error that names it, and nothing follows", "[uv_worker_host]") {
  const TemporaryDirectory directory;
  WorkerHostFixture fixture;
  const std::size_t descriptors = open_descriptor_count();
  const std::string not_executable = write_file(directory.path() / "plain", "#!/bin/sh\n", 0644);
  const std::string no_program = write_file(directory.path() / "text", "no program at all\n", 0755);
  const std::string no_interpreter = write_file(directory.path() / "script", "#!/nonexistent\n", 0755);

  CHECK(fixture.start_error({"no-such-program-anywhere"}) == "no-such-program-anywhere: No such file or directory");
  CHECK(fixture.start_error({"/nonexistent/program"}) == "/nonexistent/program: No such file or directory");
  CHECK(fixture.start_error({""}) == ": No such file or directory");
  CHECK(fixture.start_error({not_executable}) == not_executable + ": Permission denied");
  CHECK(fixture.start_error({no_program}) == no_program + ": Exec format error");
  CHECK(fixture.start_error({no_interpreter}) == no_interpreter + ": No such file or directory");
  CHECK(fixture.start_error({directory.path().string()}).find("Permission denied") != std::string::npos);
  CHECK(fixture.start_error({"/bin/true", std::string(4 << 20, 'x')}) == "/bin/true: Argument list too long");

  CHECK(open_descriptor_count() == descriptors);
  CHECK(children_of_this_process().empty());
  CHECK(fixture.run_to_end({"true"}).status.code == 0);
  CHECK(fixture.told.size() == 1);
}

TEST_CASE("a working directory that cannot be entered is an error that names it", "[uv_worker_host]") {
  const TemporaryDirectory directory;
  WorkerHostFixture fixture;
  fixture.working_directory = "/nonexistent";
  CHECK(fixture.start_error({"true"}) == "working directory /nonexistent: No such file or directory");
  fixture.working_directory = write_file(directory.path() / "file", "", 0755);
  CHECK(fixture.start_error({"true"}) == "working directory " + fixture.working_directory + ": Not a directory");

  fixture.working_directory = directory.path().string();
  CHECK(fixture.run_to_end({"pwd"}).text() == directory.path().string() + "\n");
}

TEST_CASE("a job of a kind that this version does not run is an error", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  CHECK(fixture.try_start(RunId{1}, PythonJob{"module:function"}).error().message() ==
        "python jobs cannot be run by this version");
  CHECK(fixture.try_start(RunId{1}, PluginJob{"library", "job"}).error().message() ==
        "plugin jobs cannot be run by this version");
  CHECK(fixture.told.empty());
}

TEST_CASE("arguments reach the program as they are, without a shell", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const Told& told = fixture.run_to_end({"printf", "%s\\n", "$HOME", "a b", "*", "; exit 1", "", "'"});
  CHECK(told.text() == "$HOME\na b\n*\n; exit 1\n\n'\n");
  CHECK(told.status.code == 0);
}

TEST_CASE("a worker knows its task, run, node and channel, and nothing that is the daemon's alone",
          "[uv_worker_host]") {
  const std::vector<const char*> secret{"NOTIFY_SOCKET", "WATCHDOG_USEC",  "WATCHDOG_PID",          "LISTEN_FDS",
                                        "LISTEN_PID",    "LISTEN_FDNAMES", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM",
                                        "STARGAZER_OLD"};
  for (const char* name : secret) setenv(name, "/nonexistent", 1);
  setenv("KEPT", "from the daemon", 1);
  setenv("CHANGED", "from the daemon", 1);
  WorkerHostFixture fixture;
  fixture.environment = {{"CHANGED", "of the task"}, {"ADDED", "a=b"}, {"STARGAZER_TASK", "forged"}};
  const Told& told = fixture.run_to_end({"env"});
  for (const char* name : secret) unsetenv(name);
  unsetenv("KEPT");
  unsetenv("CHANGED");

  std::multiset<std::string> variables;
  for (const ToldLine& line : told.lines) variables.insert(line.text);
  for (const char* expected :
       {"STARGAZER_TASK=task-1", "STARGAZER_RUN_ID=test-1", "STARGAZER_NODE_ID=node-1", "STARGAZER_FD=3",
        "STARGAZER_ATTEMPT=1", "KEPT=from the daemon", "CHANGED=of the task", "ADDED=a=b"}) {
    CHECK(variables.count(expected) == 1);
  }
  for (const std::string& variable : variables) {
    const std::string name = variable.substr(0, variable.find('='));
    INFO(name);
    CHECK(std::find(secret.begin(), secret.end(), name) == secret.end());
    CHECK(variable != "CHANGED=from the daemon");
  }
}

TEST_CASE("a worker has descriptors 0 to 3 and no other", "[uv_worker_host]") {
  const UniqueFd inheritable(open("/dev/null", O_RDONLY));
  WorkerHostFixture fixture;
  const Told& told = fixture.run_to_end(shell("ls /proc/$$/fd; readlink /proc/$$/fd/0; readlink /proc/$$/fd/3; true"));
  REQUIRE(told.lines.size() == 6);
  for (std::size_t fd = 0; fd < 4; ++fd) CHECK(told.lines[fd].text == std::to_string(fd));
  CHECK(told.lines[4].text == "/dev/null");
  CHECK(told.lines[5].text.rfind("socket:", 0) == 0);
}

TEST_CASE("no descriptor of another worker reaches a worker", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const RunId first = fixture.start({"sleep", "1000"});
  CHECK(fixture.run_to_end(shell("ls /proc/$$/fd; true")).lines.size() == 4);
  fixture.host->stop(first, StopSignal::kKill, "why");
  CHECK(fixture.finish(first).status.signal == SIGKILL);
}

TEST_CASE("a worker starts with no signal blocked or ignored", "[uv_worker_host]") {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  const auto old_pipe = signal(SIGPIPE, SIG_IGN);
  const auto old_hangup = signal(SIGHUP, SIG_IGN);
  WorkerHostFixture fixture;
  const std::string status = fixture.run_to_end({"cat", "/proc/self/status"}).text();
  sigprocmask(SIG_SETMASK, &before, nullptr);
  signal(SIGPIPE, old_pipe);
  signal(SIGHUP, old_hangup);
  CHECK(std::stoull(status_value(status, "SigBlk"), nullptr, 16) == 0);
  CHECK((std::stoull(status_value(status, "SigIgn"), nullptr, 16) & ~kSignalsOfLibc) == 0);
  CHECK(std::stoull(status_value(status, "SigCgt"), nullptr, 16) == 0);
}

TEST_CASE("a worker leads a process group of its own", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const Told& told = fixture.run_to_end(python("import os; print(os.getpid() == os.getpgid(0))"));
  CHECK(told.text() == "True\n");
}

TEST_CASE("a line on fd 3 is told, and an answer comes back on it", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  fixture.on_request = [&](const ToldRequest& request) { fixture.host->answer(request.run, "got " + request.line); };
  CHECK(fixture.run_to_end(shell("read run <&3; echo one >&3; read answer <&3; echo \"$answer\"")).text() ==
        "got one\n");
  REQUIRE(fixture.requests.size() == 1);
  CHECK_FALSE(fixture.requests[0].cut);
}

TEST_CASE("a worker is first told what to run, and beside TERM why it is to stop", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const RunId run =
      fixture.start(shell("trap '' TERM; read -r run <&3; echo \"$run\"; read -r stop <&3; echo \"$stop\""));
  fixture.run_until([&] { return fixture.told[run].lines.size() == 1; });
  fixture.host->stop(run, StopSignal::kTerminate, "its timeout has passed");
  fixture.finish(run);
  CHECK(fixture.told[run].text() ==
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"run\",\"params\":{\"task\":\"task-1\"}}\n"
        "{\"jsonrpc\":\"2.0\",\"method\":\"stop\",\"params\":{\"reason\":\"its timeout has passed\"}}\n");
}

TEST_CASE("all that a worker wrote is read, though it leaves with something unread", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  fixture.run_to_end(shell("yes line | head -n 20000 >&3"));
  CHECK(fixture.requests.size() == 20'000);
}

TEST_CASE("a Python job runs by the given program, in the given folder unless it has its own", "[uv_worker_host]") {
  WorkerHostFixture fixture(16384, {}, {"/bin/sh", "-c", "pwd"}, "/usr");
  REQUIRE(fixture.try_start(RunId{1}, PythonJob{"module:function"}).ok());
  CHECK(fixture.finish(RunId{1}).text() == "/usr\n");
  fixture.working_directory = "/tmp";
  REQUIRE(fixture.try_start(RunId{2}, PythonJob{"module:function"}).ok());
  CHECK(fixture.finish(RunId{2}).text() == "/tmp\n");
}

TEST_CASE("what a worker writes to fd 3 does no harm", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  CHECK(fixture.run_to_end(shell("head -c 3000000 /dev/zero >&3; echo done")).text() == "done\n");
  CHECK(fixture.told.begin()->second.status.code == 0);
  REQUIRE(fixture.requests.size() == 1);
  CHECK(fixture.requests[0].cut);
  CHECK(fixture.requests[0].line.size() == kRpcLineBytesMax);
}

TEST_CASE("a worker that does not read its answers gets no more of them", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const TemporaryDirectory folder;
  const std::string go = folder.path() / "go";
  REQUIRE(mkfifo(go.c_str(), 0600) == 0);
  const UniqueFd gate(open(go.c_str(), O_RDWR | O_CLOEXEC));
  const std::string answer(100'000, 'a');
  fixture.on_request = [&](const ToldRequest& request) {
    for (int count = 0; count < 100; ++count) fixture.host->answer(request.run, answer);
    CHECK(write(gate.get(), "\n", 1) == 1);
  };
  // It then finds what fitted into the socket, and behind that the end.
  const Told& told = fixture.run_to_end(shell("echo one >&3; read go <" + go + "; wc -c <&3"));
  CHECK(std::stoul(told.text()) < 100 * answer.size());
}

TEST_CASE("a worker that floods its fd 3 is read at a bounded pace, and to its end", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const RunId run = fixture.start(python("import os\nfor _ in range(10): os.write(3, b'x\\n' * 500)\nprint('all')\n"));
  fixture.run_until([&] { return !fixture.told[run].lines.empty(); });
  fixture.finish(run);
  CHECK(fixture.requests.size() == 5000);
  const RunId long_line = fixture.start(python("import os, time\nfor _ in range(64): os.write(3, b'x' * 65536)\n"));
  const std::uint64_t start_ns = uv_hrtime();
  fixture.finish(long_line);
  CHECK(fixture.requests.size() == 5001);
  CHECK(fixture.requests.back().cut);
  // 4 MiB at 1000 KiB in 100 ms; the last of it is read without a pause, once the worker has ended.
  CHECK(uv_hrtime() - start_ns > 250'000'000);
}

TEST_CASE("two hundred runs leave no descriptor and no zombie", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  fixture.run_to_end({"true"});
  const std::size_t descriptors = open_descriptor_count();
  std::vector<RunId> runs;
  for (int batch = 0; batch < 10; ++batch) {
    for (int index = 0; index < 20; ++index) runs.push_back(fixture.start({index % 2 == 0 ? "true" : "false"}));
    for (const RunId run : runs) fixture.finish(run);
  }
  for (const RunId run : runs) {
    CHECK(fixture.told[run].exited_count == 1);
    CHECK(fixture.told[run].closed_count == 1);
  }
  CHECK(open_descriptor_count() == descriptors);
  CHECK(children_of_this_process().empty());
}

TEST_CASE("when descriptors run out a worker does not start, and the next one does", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  fixture.run_to_end({"true"});
  const std::size_t descriptors = open_descriptor_count();
  const LoweredDescriptorLimit lowered;
  // A start takes eight, so that each of them is missing in turn.
  for (std::size_t free = 0; free < 8; ++free) {
    std::vector<UniqueFd> taken;
    for (int fd = dup(STDIN_FILENO); fd >= 0; fd = dup(STDIN_FILENO)) taken.emplace_back(fd);
    taken.resize(taken.size() - free);
    const std::string problem = fixture.start_error({"true"});
    taken.clear();
    INFO(free << " free: " << problem);
    CHECK(problem.find("Too many open files") != std::string::npos);
    CHECK(open_descriptor_count() == descriptors);
  }
  CHECK(fixture.run_to_end({"true"}).status.code == 0);
  CHECK(fixture.told.size() == 2);
}

TEST_CASE("a native job is started, stopped and ended through the callbacks", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  CHECK(fixture.try_start(RunId{7}, NativeJob{"unknown"}).error().message() == "there is no native job unknown");
  REQUIRE(fixture.try_start(RunId{8}, NativeJob{"known"}).ok());
  REQUIRE(fixture.try_start(RunId{9}, NativeJob{"known"}).ok());
  fixture.host->stop(RunId{8}, StopSignal::kTerminate, "why");
  fixture.host->close_channel(RunId{8});
  CHECK(fixture.native_stopped == std::vector{RunId{8}});
  fixture.host->native_ended(RunId{8}, {});
  fixture.host->native_ended(RunId{9}, Error("the disk is gone"));
  fixture.host->native_ended(RunId{9}, Error("said twice"));
  CHECK(fixture.told[RunId{8}].status.code == 0);
  CHECK(fixture.told[RunId{9}].status.code == 1);
  CHECK(fixture.told[RunId{9}].detail == "the disk is gone");
  for (const RunId run : {RunId{8}, RunId{9}}) CHECK(fixture.told[run].over());
  fixture.host->stop(RunId{8}, StopSignal::kKill, "why");
  CHECK(fixture.native_stopped.size() == 1);
}
