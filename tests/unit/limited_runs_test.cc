// Runs with limits, with real processes: without control groups, and in those that this machine lets a test make. What
// the kernel does at memory.max and pids.max is for tests/package/booted, in a machine that delegates the controllers.
#include "io/limited_runs.h"

#include <sys/resource.h>

#include "io/delegated_cgroup.h"
#include "unit/keeper_fixture.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

constexpr std::uint64_t kMiB = 1 << 20;

LimitSetup setup_in(const std::string& directory) {
  LimitSetup setup;
  setup.helper = keeper_path();
  setup.directory = directory;
  return setup;
}

// With a keeper of this mode for those that have a fuse.
struct LimitedFixture : WorkerHostFixture {
  explicit LimitedFixture(const std::string& directory = "", const std::string& mode = std::string(kProcessGroupMode))
      : WorkerHostFixture(16384, setup_of(mode), {}, "", setup_in(directory)) {}
};

// Every process that the worker left, by what only it has in its arguments.
bool anything_runs(const std::string& mark) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline");
    std::string text;
    if (std::getline(file, text, '\1') && text.find(mark) != std::string::npos) return true;
  }
  return false;
}

// Half of them leave the process group, and lose their parent; each lives for long.
const std::string kForksWithoutEnd =
    "import os, time\n"
    "mark = 'forks_without_end'\n"
    "while True:\n"
    "  if os.fork() == 0:\n"
    "    if os.fork() > 0: os._exit(0)\n"
    "    if os.getpid() % 2: os.setsid()\n"
    "    time.sleep(1000)\n"
    "  time.sleep(0.002)\n";

// One that is refused more keeps what it has.
const std::string kAllocatesWithoutEnd =
    "import time\n"
    "taken = []\n"
    "while True:\n"
    "  try: taken.append(bytearray(1 << 20))\n"
    "  except MemoryError: time.sleep(0.01)\n";

// The most memory that this process has ever had.
std::uint64_t own_peak_bytes() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return static_cast<std::uint64_t>(used.ru_maxrss) * 1024;
}

}  // namespace

TEST_CASE("a limited worker is started like any other: arguments, descriptors, directory", "[limited_runs]") {
  LimitedFixture fixture;
  fixture.limits.nice = 3;
  CHECK(fixture.run_to_end({"printf", "%s\\n", "$HOME", "a b", ""}).text() == "$HOME\na b\n\n");
  fixture.working_directory = "/usr";
  // Without a pipeline, whose ends the shell itself would have open for a moment.
  const Told& told = fixture.run_to_end(shell("pwd; ls /proc/$$/fd; true"));
  CHECK(told.text() == "/usr\n0\n1\n2\n3\n");
  CHECK(told.limit.empty());
}

TEST_CASE("a limited worker that cannot be started is an error with its cause", "[limited_runs]") {
  LimitedFixture fixture;
  fixture.limits.nice = 3;
  CHECK(fixture.start_error({"/no/such/program"}) == "/no/such/program: No such file or directory");
  CHECK(fixture.start_error({"/etc/passwd"}) == "/etc/passwd: Permission denied");
  CHECK(fixture.start_error({"no-such-program"}) == "no-such-program: No such file or directory");
}

TEST_CASE("without stargazer-keeper no limited run is started, others are", "[limited_runs]") {
  LimitSetup setup;
  setup.helper_obstacle = "stargazer-keeper is missing";
  WorkerHostFixture fixture(16384, {}, {}, "", setup);
  fixture.limits.nice = 3;
  CHECK(fixture.start_error({"true"}) == "limits: stargazer-keeper is missing");
  fixture.limits = {};
  CHECK(fixture.run_to_end({"true"}).status.code == 0);
}

TEST_CASE("nice is added to what the daemon has", "[limited_runs]") {
  LimitedFixture fixture;
  fixture.limits.nice = 4;
  const int now = getpriority(PRIO_PROCESS, 0);
  CHECK(fixture.run_to_end({"nice"}).text() == std::to_string(std::min(now + 4, 19)) + "\n");
}

TEST_CASE("a run that allocates without end is ended, and says by which limit", "[limited_runs]") {
  const bool kept = GENERATE(false, true);
  LimitedFixture fixture;
  if (kept) fixture.fuse = boot_now() + kLong;
  fixture.limits.memory_max_bytes = 64 * kMiB;
  const Told& told = fixture.run_to_end(python(kAllocatesWithoutEnd));
  CHECK(told.limit == "killed by memory_max of 64M");
  CHECK(told.status.signal == SIGKILL);
}

TEST_CASE("a run that had more than it may and ended between two looks says so", "[limited_runs]") {
  LimitedFixture fixture;
  // What it may is more than we ourselves ever had, as the kernel counts that for it too.
  const std::uint64_t own_mib = own_peak_bytes() / kMiB + 1;
  fixture.limits.memory_max_bytes = own_mib * kMiB;
  const std::string more = std::to_string(own_mib + 20);
  const Told& told = fixture.run_to_end(python("import os\nb = b'x' * (" + more + " << 20)\nos._exit(3)"));
  INFO(told.limit);
  // A machine that is slow may have looked meanwhile.
  CHECK(told.limit.ends_with(" memory_max of " + std::to_string(own_mib) + "M"));
}

TEST_CASE("what the daemon itself has had is not laid to a run's charge", "[limited_runs]") {
  LimitedFixture fixture;
  const std::vector<char> taken(64 * kMiB, 'x');
  fixture.limits.memory_max_bytes = 32 * kMiB;
  const Told& told = fixture.run_to_end(shell("exit 3"));
  CHECK(told.status.code == 3);
  CHECK(told.limit.empty());
}

TEST_CASE("memory is that of all processes of a run together", "[limited_runs]") {
  LimitedFixture fixture;
  fixture.limits.memory_max_bytes = 256 * kMiB;
  const std::string child = "import time; b = bytearray(90 << 20); time.sleep(1000)";
  const Told& told = fixture.run_to_end(shell("for i in 1 2 3; do /usr/bin/python3 -c '" + child + "' & done; wait"));
  CHECK(told.limit == "killed by memory_max of 256M");
  CHECK(told.status.signal == SIGKILL);
}

TEST_CASE("a run that forks without end is killed with all that it started", "[limited_runs]") {
  const bool kept = GENERATE(false, true);
  LimitedFixture fixture;
  if (kept) fixture.fuse = boot_now() + kLong;
  fixture.limits.processes_max = 20;
  const Told& told = fixture.run_to_end(python(kForksWithoutEnd));
  CHECK(told.limit == "killed by processes_max of 20");
  CHECK(told.status.signal == SIGKILL);
  fixture.run_until([] { return !anything_runs("forks_without_end"); });
}

TEST_CASE("a run within its limits ends as it likes", "[limited_runs]") {
  LimitedFixture fixture;
  fixture.limits = {.memory_max_bytes = 512 * kMiB, .cpu_weight = 50, .processes_max = 50, .nice = 1};
  const Told& told = fixture.run_to_end(shell("sleep 0.4; exit 3"));
  CHECK(told.status.code == 3);
  CHECK(told.limit.empty());
}

TEST_CASE("a limited run is in a control group of its own from its first instruction to its end", "[limited_runs]") {
  const DelegatedCgroup cgroup;
  if (cgroup.path().empty()) {
    WARN("no control group can be made here");
    return;
  }
  LimitedFixture fixture(cgroup.path());
  fixture.limits.processes_max = 50;
  const std::string name = "stargazer-run-" + std::to_string(getpid()) + "-1";
  const RunId run = fixture.start(
      shell("grep ^0:: /proc/self/cgroup; (setsid sleep 1234567 >/dev/null 2>&1 3>&- &); read x <&3; read x <&3"));
  fixture.run_until([&] { return !fixture.told[run].lines.empty(); });
  CHECK(fixture.told[run].lines[0].text.find("/" + name) != std::string::npos);
  CHECK(cgroup.groups() == std::vector<std::string>{name});
  // As arguments of its own, unlike those of the shell.
  const std::string detached = std::string("sleep") + '\0' + "1234567";
  fixture.run_until([&] { return anything_runs(detached); });
  fixture.host->stop(run, StopSignal::kKill, "");
  fixture.finish(run);
  fixture.run_until([&] { return cgroup.groups().empty(); });
  CHECK_FALSE(anything_runs(detached));
}

TEST_CASE("the keeper of a limited worker makes its control group below that of the run", "[limited_runs]") {
  const DelegatedCgroup cgroup;
  if (cgroup.path().empty()) {
    WARN("no control group can be made here");
    return;
  }
  LimitedFixture fixture(cgroup.path(), cgroup.mode());
  fixture.fuse = boot_now() + kLong;
  fixture.limits.processes_max = 50;
  const Told& told = fixture.run_to_end(shell("grep ^0:: /proc/self/cgroup"));
  CHECK(told.text().find("/stargazer-run-" + std::to_string(getpid()) + "-1/stargazer-worker-") != std::string::npos);
  fixture.run_until([&] { return cgroup.groups().empty(); });
}

TEST_CASE("a control group that cannot be made is why the run is not started", "[limited_runs]") {
  LimitedFixture fixture("/nonexistent");
  fixture.limits.processes_max = 50;
  CHECK(fixture.start_error({"true"}).find("limits: /nonexistent/stargazer-run-") == 0);
}

TEST_CASE("what is not enforced is told of those who have it", "[limited_runs]") {
  const LimitSetup nothing = setup_in("");
  CHECK(unenforced_text(nothing, {}).empty());
  CHECK(unenforced_text(nothing, {.nice = 3}).empty());
  CHECK(unenforced_text(nothing, {.memory_max_bytes = kMiB, .cpu_weight = 3}) ==
        "memory_max is looked at ten times a second, cpu_weight has no effect");
  LimitSetup all = setup_in("/sys/fs/cgroup");
  all.memory = all.processes = all.cpu = true;
  CHECK(unenforced_text(all, {.memory_max_bytes = kMiB, .cpu_weight = 3, .processes_max = 3}).empty());
}
