// Workers under stargazer-keeper, in each of its modes that this machine allows: how they start and how they end.
#include <algorithm>
#include <fcntl.h>
#include <sys/wait.h>

#include "support/temporary_directory.h"
#include "unit/keeper_fixture.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

constexpr Duration kShort = 300ms;

// Where the processes of a tree write that they are alive, for their pids mean nothing outside of a PID namespace: each
// holds a lock on the file, which is free once all are dead.
class LifeSign {
 public:
  std::string path() const { return (directory_.path() / "alive").string(); }
  bool all_dead() const {
    const int file = open(path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const bool free = flock_exclusively(file);
    close(file);
    return free;
  }

 private:
  static bool flock_exclusively(int file) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return fcntl(file, F_OFD_SETLK, &lock) == 0;
  }

  TemporaryDirectory directory_;
};

// A worker that ignores TERM, with a child in its group, one in a session of its own, and one that left both and lost
// its parent. Each says "up" when it is there, and what holds the locks is closed by no exec.
std::vector<std::string> tree(const LifeSign& sign) {
  return python(R"(
import fcntl, os, signal, struct, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def live(what):
    fd = os.open(')" +
                sign.path() + R"(', os.O_RDWR | os.O_CREAT)
    fcntl.fcntl(fd, 37, struct.pack('hhqqi4x', fcntl.F_RDLCK, 0, 0, 0, 0))
    os.write(1, b'up ' + what + b'\n')
    for n in (1, 2, 3): os.close(n)
    while True: time.sleep(1000)
if os.fork() == 0: live(b'child')
if os.fork() == 0:
    os.setsid()
    live(b'session')
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        live(b'orphan')
    os._exit(0)
os.wait()
live(b'worker')
)");
}

RunId start_tree(KeptFixture& fixture, const LifeSign& sign) {
  const RunId run = fixture.start(tree(sign));
  fixture.run_until([&] { return fixture.told[run].lines.size() == 4; });
  CHECK_FALSE(sign.all_dead());
  return run;
}

char state_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  return std::getline(file, text) ? text[text.rfind(')') + 2] : '-';
}

void wait_until(const std::function<bool()>& condition) {
  const auto limit = std::chrono::steady_clock::now() + 60s;
  while (!condition()) {
    REQUIRE(std::chrono::steady_clock::now() < limit);
    const timespec pause{0, 5'000'000};
    nanosleep(&pause, nullptr);
  }
}

}  // namespace

TEST_CASE("a kept worker ends as it would without a keeper", "[keeper]") {
  const Modes modes;
  for (const std::string& mode : modes.all) {
    INFO(mode);
    KeptFixture fixture(mode);
    for (const int code : {0, 1, 77, 255}) {
      const Told& told = fixture.run_to_end(shell("echo out; echo err >&2; exit " + std::to_string(code)));
      CHECK(told.status.code == code);
      CHECK(told.status.signal == 0);
      CHECK(told.text() == "out\n");
      CHECK(told.text(OutputStream::kStderr) == "err\n");
    }
    for (const int number : {SIGKILL, SIGTERM, SIGSEGV, SIGUSR1}) {
      const Told& told = fixture.run_to_end(shell("kill -" + std::to_string(number) + " $$"));
      CHECK(told.status.signal == number);
      CHECK(told.status.code == 0);
    }
    CHECK(children_of_this_process().empty());
  }
}

TEST_CASE("what cannot be executed is the same error with a keeper", "[keeper]") {
  const TemporaryDirectory directory;
  const std::string not_executable = (directory.path() / "plain").string();
  const std::string no_program = (directory.path() / "text").string();
  std::ofstream(not_executable) << "#!/bin/sh\n";
  std::ofstream(no_program) << "no program at all\n";
  std::filesystem::permissions(no_program, std::filesystem::perms::owner_all);
  const Modes modes;
  for (const std::string& mode : modes.all) {
    INFO(mode);
    KeptFixture fixture(mode);
    const std::size_t descriptors = open_descriptor_count();
    CHECK(fixture.start_error({"no-such-program-anywhere"}) == "no-such-program-anywhere: No such file or directory");
    CHECK(fixture.start_error({"/nonexistent/program"}) == "/nonexistent/program: No such file or directory");
    CHECK(fixture.start_error({""}) == ": No such file or directory");
    CHECK(fixture.start_error({not_executable}) == not_executable + ": Permission denied");
    CHECK(fixture.start_error({no_program}) == no_program + ": Exec format error");
    fixture.working_directory = "/nonexistent";
    CHECK(fixture.start_error({"true"}) == "working directory /nonexistent: No such file or directory");
    CHECK(open_descriptor_count() == descriptors);
    CHECK(children_of_this_process().empty());
    CHECK(fixture.told.empty());
  }
}

TEST_CASE("a kept worker has its descriptors, signals and epoch, and nothing of its keeper's", "[keeper]") {
  const Modes modes;
  for (const std::string& mode : modes.all) {
    INFO(mode);
    KeptFixture fixture(mode);
    fixture.epoch = 17;
    const Told& told =
        fixture.run_to_end(shell("echo $STARGAZER_EPOCH; ls /proc/$$/fd; grep -Ec "
                                 "'^Sig(Blk:.0*|Ign:.0*([01]80000000)?)$' /proc/self/status; [ $$ != 1 ]"));
    CHECK(told.text() == "17\n0\n1\n2\n3\n2\n");
    CHECK(told.status.code == 0);
    // Those of a keeper that runs do not reach another worker either.
    const RunId other = fixture.start({"sleep", "1000"});
    CHECK(fixture.run_to_end(shell("ls /proc/$$/fd; true")).text() == "0\n1\n2\n3\n");
    fixture.host->stop(other, StopSignal::kKill, "why");
    CHECK(fixture.finish(other).status.signal == SIGKILL);
  }
}

TEST_CASE("when the fuse burns, the worker and all its descendants die", "[keeper]") {
  const Modes modes;
  for (const std::string& mode : modes.all) {
    INFO(mode);
    KeptFixture fixture(mode);
    const LifeSign sign;
    const RunId run = start_tree(fixture, sign);
    const Instant burns = boot_now() + kShort;
    fixture.host->extend_fuse(burns);
    // From here on nobody runs the daemon's side.
    wait_until([&] { return sign.all_dead(); });
    CHECK(boot_now() >= burns);
    CHECK(fixture.finish(run).status.signal == SIGKILL);
    CHECK(fixture.told[run].text(OutputStream::kStderr) ==
          "stargazer-keeper: the lease was not renewed in time: killed the worker and its descendants\n");
    CHECK(fixture.orphans_killed == 0);
  }
}

TEST_CASE("a fuse that is extended does not burn at its old time", "[keeper]") {
  const Modes modes;
  for (const std::string& mode : modes.all) {
    INFO(mode);
    KeptFixture fixture(mode);
    const RunId run = fixture.start(shell("echo up; cat <&3 >/dev/null; exit 5"));
    fixture.run_until([&] { return !fixture.told[run].lines.empty(); });
    const Instant old = boot_now() + kShort;
    fixture.host->extend_fuse(old);
    fixture.host->extend_fuse(boot_now() + kLong);
    wait_until([&] { return boot_now() > old + kShort; });
    CHECK(fixture.told[run].exited_count == 0);
    CHECK(runs(fixture.keeper()));
    fixture.host->close_channel(run);
    fixture.run_until([&] { return fixture.told[run].exited_count == 1; });
    CHECK(fixture.told[run].status.code == 5);
  }
}

TEST_CASE("a stopped keeper dies on time and takes the worker along", "[keeper]") {
  const Modes modes;
  for (const std::string& mode : modes.all) {
    INFO(mode);
    KeptFixture fixture(mode);
    // Known to the keeper from its start: one that is told it later may be stopped before it reads that.
    fixture.fuse = boot_now() + 3s;
    const LifeSign sign;
    const RunId run = start_tree(fixture, sign);
    const pid_t keeper = fixture.keeper();
    kill(keeper, SIGSTOP);
    wait_until([&] { return state_of(keeper) == 'T'; });
    // Its pipe fills up, which neither blocks nor breaks anything.
    for (int count = 0; count < 2000; ++count) fixture.host->extend_fuse(boot_now() + kLong);
    wait_until([&] { return !runs(keeper); });
    if (Modes::strong(mode)) wait_until([&] { return sign.all_dead(); });
    CHECK(fixture.finish(run).status.signal == SIGKILL);
    fixture.run_until([&] { return sign.all_dead(); });
  }
}

TEST_CASE("a fuse that has burnt before the start lets nothing start", "[keeper]") {
  const TemporaryDirectory directory;
  const std::string trace = (directory.path() / "trace").string();
  const Modes modes;
  for (const std::string& mode : modes.all) {
    INFO(mode);
    KeptFixture fixture(mode);
    for (const Instant passed : {boot_now() - 1ns, boot_now() - 1h, Instant(), Instant(-1s)}) {
      fixture.fuse = passed;
      CHECK(fixture.start_error({"touch", trace}) ==
            "stargazer-keeper: the fuse had burnt before the worker was started");
    }
    CHECK_FALSE(std::filesystem::exists(trace));
    CHECK(fixture.told.empty());
    CHECK(children_of_this_process().empty());
  }
}

TEST_CASE("TERM reaches the worker wherever it is, and not its keeper", "[keeper]") {
  const Modes modes;
  for (const std::string& mode : modes.all) {
    INFO(mode);
    KeptFixture fixture(mode);
    for (const std::string leave : {"", "os.setsid()\n"}) {
      const RunId run =
          fixture.start(python("import os, signal\n"
                               "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n" +
                               leave +
                               "os.write(1, b'ready\\n')\n"
                               "signal.sigwait([signal.SIGTERM])\n"
                               "os.write(1, b'leaving\\n')\n"
                               "again = signal.sigtimedwait([signal.SIGTERM], 0.2)\n"
                               "os._exit(3 if again is None else 4)"));
      fixture.run_until([&] { return !fixture.told[run].lines.empty(); });
      fixture.host->stop(run, StopSignal::kTerminate, "why");
      CHECK(fixture.finish(run).status.code == 3);
      CHECK(fixture.told[run].text() == "ready\nleaving\n");
    }
  }
}

TEST_CASE("KILL ends a kept worker with everything, even when its keeper is stopped", "[keeper]") {
  const Modes modes;
  for (const std::string& mode : modes.all) {
    for (const bool stopped : {false, true}) {
      INFO(mode << (stopped ? ", stopped" : ""));
      KeptFixture fixture(mode);
      const LifeSign sign;
      const RunId run = start_tree(fixture, sign);
      if (stopped) kill(fixture.keeper(), SIGSTOP);
      fixture.host->stop(run, StopSignal::kKill, "why");
      CHECK(fixture.finish(run).status.signal == SIGKILL);
      fixture.run_until([&] { return sign.all_dead(); });
    }
  }
}

TEST_CASE("what a worker leaves behind is dead when its exit is told", "[keeper]") {
  const Modes modes;
  for (const std::string& mode : modes.all) {
    INFO(mode);
    KeptFixture fixture(mode);
    const LifeSign sign;
    std::vector<std::string> leaver = tree(sign);
    leaver.back().replace(leaver.back().rfind("live(b'worker')"), std::string::npos,
                          "os.write(1, b'up worker\\n')\ntime.sleep(0.2)\nos._exit(9)\n");
    const RunId run = fixture.start(leaver);
    fixture.run_until([&] { return fixture.told[run].exited_count == 1; });
    CHECK(sign.all_dead());
    CHECK(fixture.finish(run).status.code == 9);
    CHECK(fixture.orphans_killed == 0);
    CHECK(children_of_this_process().empty());
  }
}

TEST_CASE("workers whose daemon is killed are gone with their descendants", "[keeper]") {
  const Modes modes;
  for (const std::string& mode : modes.all) {
    INFO(mode);
    const LifeSign sign;
    const pid_t daemon = fork();
    REQUIRE(daemon >= 0);
    if (daemon == 0) {
      // Its copies of our descriptors are closed by its death; nothing of the test's own ends may run here.
      KeptWorkers workers(setup_of(mode));
      Result<SpawnedProcess> process = workers.spawn(tree(sign), worker_environment({}), "", boot_now() + kLong);
      if (!process.ok()) _exit(1);
      std::string said;
      while (std::count(said.begin(), said.end(), '\n') < 4) {
        char byte = 0;
        if (read(process->stdout_read.get(), &byte, 1) == 1) said += byte;
      }
      raise(SIGKILL);
    }
    int status = 0;
    REQUIRE(waitpid(daemon, &status, 0) == daemon);
    REQUIRE(WIFSIGNALED(status));
    wait_until([&] { return sign.all_dead(); });
    // The last thing that a keeper does.
    wait_until([&] { return modes.cgroup.path().empty() || modes.cgroup.groups().empty(); });
  }
}
