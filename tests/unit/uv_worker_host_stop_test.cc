// How workers end: stopped, killed with their whole group, and what they left behind.
#include "io/uv_worker_host.h"
#include "unit/worker_host_fixture.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

// Leaves its group and session at once and says its pid. Its output goes nowhere, so that it holds nothing open.
constexpr const char* kDetach = "setsid sh -c 'echo $$; exec >/dev/null 2>&1 3>&-; exec sleep 1000' & ";

// The beginning of a program that takes TERM when it is ready for it, and not before.
constexpr const char* kAwaitTerm =
    "import os, signal\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
    "def await_term(): signal.sigwait([signal.SIGTERM])\n"
    "def say(word): os.write(1, word.encode() + b'\\n')\n";

}  // namespace

TEST_CASE("stop sends TERM, which a worker may answer in its own way", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const RunId run =
      fixture.start(python(std::string(kAwaitTerm) + "say('ready'); await_term(); say('leaving'); os._exit(3)"));
  fixture.run_until([&] { return !fixture.told[run].lines.empty(); });
  fixture.host->stop(run, StopSignal::kTerminate, "why");
  const Told& told = fixture.finish(run);
  CHECK(told.status.code == 3);
  CHECK(told.text() == "ready\nleaving\n");
}

TEST_CASE("a worker that ignores TERM ends by KILL", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const RunId run = fixture.start(shell("trap '' TERM; echo ready; sleep 1000; echo woken"));
  const pid_t sleeper = [&] {
    fixture.run_until([&] { return !fixture.told[run].lines.empty(); });
    return children_of_this_process().at(0);
  }();
  fixture.host->stop(run, StopSignal::kTerminate, "why");
  CHECK(runs(sleeper));
  fixture.host->stop(run, StopSignal::kKill, "why");
  CHECK(fixture.finish(run).status.signal == SIGKILL);
  CHECK(gone(sleeper));
}

TEST_CASE("a stopped worker can be killed", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const RunId run = fixture.start(shell("echo ready; kill -STOP $$"));
  fixture.run_until([&] { return !fixture.told[run].lines.empty(); });
  fixture.host->stop(run, StopSignal::kKill, "why");
  CHECK(fixture.finish(run).status.signal == SIGKILL);
}

TEST_CASE("to stop a run that is over or unknown does nothing", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const RunId run = fixture.start({"true"});
  fixture.finish(run);
  for (const RunId other : {run, RunId{1000}}) {
    fixture.host->stop(other, StopSignal::kTerminate, "why");
    fixture.host->stop(other, StopSignal::kKill, "why");
    fixture.host->close_channel(other);
  }
  CHECK(fixture.told.size() == 1);
  CHECK(fixture.told[run].exited_count == 1);
}

TEST_CASE("what is left of the group is dead and reaped when the exit is told", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const RunId run = fixture.start(shell("for n in 1 2 3 4 5; do sleep 1000 & echo $!; done; exit 4"));
  fixture.run_until([&] { return fixture.told[run].exited_count == 1; });
  CHECK(children_of_this_process().empty());
  CHECK(fixture.finish(run).status.code == 4);
  REQUIRE(fixture.told[run].lines.size() == 5);
  for (std::size_t index = 0; index < 5; ++index) CHECK(gone(fixture.told_pid(run, index)));
  CHECK(fixture.orphans_killed == 0);
}

TEST_CASE("TERM reaches every member of the group", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const RunId run = fixture.start(python(std::string(kAwaitTerm) + "child = os.fork()\n"
                                                                   "say('up'); await_term()\n"
                                                                   "if child: os.waitpid(child, 0)\n"
                                                                   "say('leaving')"));
  fixture.run_until([&] { return fixture.told[run].lines.size() == 2; });
  fixture.host->stop(run, StopSignal::kTerminate, "why");
  CHECK(fixture.finish(run).text() == "up\nup\nleaving\nleaving\n");
}

TEST_CASE("a process that left the group lives as long as its run and not longer", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const RunId run = fixture.start(shell(std::string("(") + kDetach + "); sleep 1000"));
  const pid_t detached = fixture.told_pid(run);
  // Another run's end, and the orphan's adoption by us, do not touch it.
  fixture.run_to_end({"true"});
  fixture.run_to_end({"true"});
  CHECK(runs(detached));
  CHECK(fixture.orphans_killed == 0);
  fixture.host->stop(run, StopSignal::kKill, "why");
  fixture.finish(run);
  fixture.run_until([&] { return gone(detached); });
  CHECK(fixture.orphans_killed == 1);
}

TEST_CASE("a tree of processes that all left the group is gone after its run, each counted once", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const RunId other = fixture.start({"sleep", "1000"});
  const RunId run = fixture.start(python(R"(
import os, time
for depth in range(5):
    if os.fork():
        if depth == 0: time.sleep(0.2); os._exit(0)
        time.sleep(1000)
    os.setsid()
    os.write(1, b'%d\n' % os.getpid())
os.close(1); os.close(2); os.close(3)
time.sleep(1000)
)"));
  fixture.finish(run);
  REQUIRE(fixture.told[run].lines.size() == 5);
  for (std::size_t index = 0; index < 5; ++index) {
    const pid_t pid = fixture.told_pid(run, index);
    fixture.run_until([&] { return gone(pid); });
  }
  CHECK(fixture.orphans_killed == 5);
  CHECK(fixture.told[other].exited_count == 0);
  fixture.host->stop(other, StopSignal::kKill, "why");
  fixture.finish(other);
}

TEST_CASE("a process that hides its run is killed when every run is over that it may be of", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const RunId other = fixture.start({"sleep", "1000"});
  const RunId run = fixture.start(
      shell("(setsid env -i /bin/sh -c 'echo $$; exec >/dev/null 2>&1 3>&-; exec /bin/sleep 1000' &); sleep 0.05"));
  const pid_t hidden = fixture.told_pid(run);
  fixture.finish(run);
  CHECK(runs(hidden));
  const RunId later = fixture.start({"sleep", "1000"});
  fixture.run_to_end({"true"});
  CHECK(runs(hidden));
  fixture.host->stop(other, StopSignal::kKill, "why");
  fixture.finish(other);
  fixture.run_until([&] { return gone(hidden); });
  CHECK(fixture.orphans_killed == 1);
  CHECK(fixture.told[later].exited_count == 0);
  fixture.host->stop(later, StopSignal::kKill, "why");
  fixture.finish(later);
}

TEST_CASE("members of a group that are still dying are not counted as orphans", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  std::vector<RunId> all;
  all.reserve(30);
  for (int index = 0; index < 30; ++index) {
    all.push_back(fixture.start(shell("for n in 1 2 3 4 5 6 7 8; do sleep 1000 & done; exit 0")));
  }
  for (const RunId run : all) CHECK(fixture.finish(run).exited_count == 1);
  CHECK(fixture.orphans_killed == 0);
}

TEST_CASE("output that a descendant holds open is given up by close_channel", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const RunId other = fixture.start({"sleep", "1000"});
  // It hides its run, so that nothing ends it while `other` runs.
  const RunId run = fixture.start(
      shell("(setsid env -i /bin/sh -c 'echo $$; printf unfinished; exec /bin/sleep 1000' &) ; sleep 0.1; exit 6"));
  const pid_t holder = fixture.told_pid(run);
  fixture.run_until([&] { return fixture.told[run].exited_count == 1; });
  CHECK(fixture.told[run].closed_count == 0);
  CHECK(runs(holder));
  fixture.host->close_channel(run);
  CHECK(fixture.told[run].closed_count == 1);
  fixture.host->close_channel(run);
  CHECK(fixture.told[run].closed_count == 1);
  CHECK(fixture.told[run].status.code == 6);
  CHECK(fixture.told[run].lines.back().text == "unfinished");
  fixture.host->stop(other, StopSignal::kKill, "why");
  fixture.finish(other);
  fixture.run_until([&] { return gone(holder); });
}

TEST_CASE("a worker that moved into the daemon's process group is stopped all the same", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const auto [signal, number] =
      GENERATE(table<StopSignal, int>({{StopSignal::kTerminate, SIGTERM}, {StopSignal::kKill, SIGKILL}}));
  const RunId run =
      fixture.start(python("import os, time\nos.setpgid(0, os.getpgid(os.getppid()))\nos.write(1, b'moved\\n')\n"
                           "time.sleep(1000)"));
  fixture.run_until([&] { return !fixture.told[run].lines.empty(); });
  fixture.host->stop(run, signal, "why");
  CHECK(fixture.finish(run).status.signal == number);
}

TEST_CASE("a worker that moved into another worker's group yields its own exit", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const RunId host = fixture.start(shell("echo $$; exec sleep 1000"));
  const pid_t group = fixture.told_pid(host);
  const RunId guest = fixture.start(python("import os, time\nos.setpgid(0, " + std::to_string(group) +
                                           ")\nos.write(1, b'moved\\n')\ntime.sleep(1000)"));
  fixture.run_until([&] { return !fixture.told[guest].lines.empty(); });
  fixture.host->stop(host, StopSignal::kKill, "why");
  CHECK(fixture.finish(host).status.signal == SIGKILL);
  CHECK(fixture.finish(guest).status.signal == SIGKILL);
  CHECK(fixture.told[guest].exited_count == 1);
}

TEST_CASE("many workers that end at once all yield one exit and one close each", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  std::vector<RunId> all;
  for (int index = 0; index < 60; ++index) {
    all.push_back(fixture.start(shell("echo out; echo err >&2; exec 3>&-; exec sleep 1000")));
  }
  for (const RunId run : all) fixture.run_until([&] { return fixture.told[run].lines.size() == 2; });
  for (const RunId run : all) fixture.host->stop(run, StopSignal::kKill, "why");
  for (const RunId run : all) {
    const Told& told = fixture.finish(run);
    CHECK(told.status.signal == SIGKILL);
    CHECK(told.exited_count == 1);
    CHECK(told.closed_count == 1);
  }
}

TEST_CASE("close ends what still runs, with its group and what left the group", "[uv_worker_host]") {
  const std::size_t descriptors = open_descriptor_count();
  {
    WorkerHostFixture fixture;
    const RunId plain = fixture.start(shell("trap '' TERM; sleep 1000 & echo $!; echo $$; wait"));
    const RunId leaver = fixture.start(shell(std::string("(") + kDetach + "); sleep 1000"));
    const RunId hidden =
        fixture.start(shell("(setsid env -i /bin/sh -c 'echo $$; exec /bin/sleep 1000' &); sleep 1000"));
    const std::vector<pid_t> pids{fixture.told_pid(plain, 0), fixture.told_pid(plain, 1), fixture.told_pid(leaver),
                                  fixture.told_pid(hidden)};
    for (const pid_t pid : pids) CHECK(runs(pid));
    fixture.close();
    for (const pid_t pid : pids) CHECK(gone(pid));
    CHECK(children_of_this_process().empty());
    for (const RunId run : {plain, leaver, hidden}) CHECK(fixture.told[run].exited_count == 0);
  }
  CHECK(open_descriptor_count() == descriptors);
}

TEST_CASE("close right after a start, and while output is held back, leaves nothing", "[uv_worker_host]") {
  const std::size_t descriptors = open_descriptor_count();
  {
    WorkerHostFixture fixture;
    int asked = 0;
    fixture.congested = [&] { return ++asked > 0; };
    fixture.start({"yes"});
    fixture.run_until([&] { return asked > 0; });
    fixture.start(shell("sleep 1000 & sleep 1000"));
    fixture.close();
    CHECK(children_of_this_process().empty());
  }
  CHECK(open_descriptor_count() == descriptors);
}
