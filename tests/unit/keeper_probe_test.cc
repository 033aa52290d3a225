// What stargazer-keeper finds out about the machine, what it refuses, and what the daemon makes of it.
#include "support/temporary_directory.h"
#include "unit/keeper_fixture.h"

using namespace stargazer;
using namespace stargazer::testing;

TEST_CASE("nothing is left in the directory for control groups, whoever ends", "[keeper]") {
  const DelegatedCgroup cgroup;
  if (cgroup.path().empty()) {
    WARN("no control group of version 2 can be made here");
    return;
  }
  KeptFixture fixture(cgroup.mode());
  const RunId worker =
      fixture.start(python("import os, time\n"
                           "own = '" +
                           cgroup.path() +
                           "/stargazer-worker-%d' % os.getppid()\n"
                           "os.makedirs(own + '/made/by/it')\n"
                           "open(own + '/made/by/it/cgroup.procs', 'w').write('0')\n"
                           "os.write(1, b'up\\n')\n"
                           "time.sleep(1000)"));
  fixture.run_until([&] { return !fixture.told[worker].lines.empty(); });
  CHECK(cgroup.groups().size() == 1);
  fixture.host->stop(worker, StopSignal::kKill, "why");
  fixture.finish(worker);
  fixture.run_to_end({"true"});
  // One whose keeper was killed together with a daemon is ended by the next probe, and removed by one after its death.
  const std::string stale = cgroup.path() + "/stargazer-worker-4194305";
  REQUIRE(mkdir(stale.c_str(), 0755) == 0);
  fixture.fuse = kNever;
  const RunId left = fixture.start({"sleep", "1000"});
  std::ofstream(stale + "/cgroup.procs") << fixture.keeper();
  const std::vector<std::string> probe =
      shell("echo $$ >" + cgroup.path() + "/cgroup.procs; exec " + keeper_path() + " " + kKeeperProbeOption);
  CHECK(fixture.run_to_end(probe).text() == cgroup.mode() + "\n\n");
  CHECK(fixture.finish(left).status.signal == SIGKILL);
  CHECK(fixture.run_to_end(probe).text() == cgroup.mode() + "\n\n");
  fixture.close();
  CHECK(cgroup.groups().empty());
}

TEST_CASE("a user without rights gets the process group, and is told why", "[keeper]") {
  if (geteuid() != 0) {
    WARN("needs root to become somebody else");
    return;
  }
  WorkerHostFixture fixture;
  const Told& told = fixture.run_to_end(
      {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", keeper_path(), kKeeperProbeOption});
  INFO(told.text(OutputStream::kStderr));
  REQUIRE(told.lines.size() == 2);
  CHECK(told.lines[0].text == kProcessGroupMode);
  CHECK(told.lines[1].text.find("no PID namespace: unshare: Operation not permitted") != std::string::npos);
}

TEST_CASE("a keeper refuses what the daemon would not say", "[keeper]") {
  WorkerHostFixture fixture;
  const std::string keeper = keeper_path();
  const std::vector<std::vector<std::string>> wrong{
      {keeper},
      {keeper, "--help"},
      {keeper, "process-group", "1", "/bin/true", "true"},
      {keeper, std::string(1 << 16, 'x'), std::string(1 << 16, '9'), "", ""},
  };
  for (const std::vector<std::string>& argv : wrong) {
    const Told& told = fixture.run_to_end(argv);
    CHECK(told.status.code == 64);
    CHECK(told.text(OutputStream::kStderr).rfind("usage: stargazer-keeper", 0) == 0);
  }
  // With the pipes that it expects, through a shell that opens them.
  for (const std::string arguments :
       {"nonsense 1 /bin/true true", "process-group 1x /bin/true true", "process-group '' /bin/true true",
        "process-group 99999999999999999999 /bin/true true", "cgroup= 1 /bin/true true",
        "cgroup=relative 1 /bin/true true", "pid-namespace 1 /bin/true"}) {
    const Told& told =
        fixture.run_to_end(shell("true | { " + keeper + " " + arguments + " 4<&0; echo $?; } 5>&1 | cat"));
    INFO(arguments);
    CHECK(told.text() == "64\n");
    CHECK(told.text(OutputStream::kStderr).rfind("usage: stargazer-keeper", 0) == 0);
  }
}

TEST_CASE("a keeper that is missing or broken is named, and kept workers do not start", "[keeper]") {
  const TemporaryDirectory directory;
  const std::string missing = (directory.path() / "missing").string();
  KeeperSetup setup = find_keeper({missing, missing + "-too"});
  CHECK(setup.path.empty());
  CHECK(setup.obstacle == "stargazer-keeper is missing: no program " + missing + ", no program " + missing + "-too");
  CHECK(keeper_line(setup) == "workers of the lease cannot be started: " + setup.obstacle);
  {
    WorkerHostFixture fixture(16384, setup);
    fixture.fuse = boot_now() + kLong;
    CHECK(fixture.start_error({"true"}) == setup.obstacle);
    fixture.fuse = kNever;
    CHECK(fixture.run_to_end({"true"}).status.code == 0);
  }
  CHECK(find_keeper({"/bin/true"}).obstacle == "/bin/true: it does not say what it can do");
  WorkerHostFixture fixture(16384, setup_of("cgroup=/nonexistent"));
  fixture.fuse = boot_now() + kLong;
  CHECK(fixture.start_error({"true"}).rfind("stargazer-keeper: /nonexistent/stargazer-worker-", 0) == 0);
}

TEST_CASE("the line at start names the mode that is in force", "[keeper]") {
  const KeeperSetup setup = find_keeper();
  INFO(setup.obstacle);
  CHECK(setup.path == keeper_path());
  const std::string line = keeper_line(setup);
  const std::string expected = setup.mode == kPidNamespaceMode   ? "PID namespaces"
                               : setup.mode == kProcessGroupMode ? "one by one"
                                                                 : "control groups";
  CHECK(line.find(expected) != std::string::npos);
  CHECK((setup.weakness.empty() || line.find(setup.weakness) != std::string::npos));
}
