// Processes that are kept between runs, with real ones: what is told of each run, what ends a process, and that none
// costs a run.
#include <chrono>
#include <set>

#include "io/uv_worker_host.h"
#include "io/worker_rpc.h"
#include "support/temporary_directory.h"
#include "unit/worker_host_fixture.h"

using namespace stargazer;
using namespace stargazer::testing;
using namespace std::chrono_literals;

namespace {

// Speaks the protocol: for each run one line with its pid and how many runs it had, then what `body` does, which may
// change `result`, and the result.
std::string worker(const std::string& body = "", const std::string& first = "") {
  std::string indented = "\n" + body;
  for (std::size_t at = 0; (at = indented.find('\n', at)) != std::string::npos; at += 5)
    indented.insert(at + 1, "    ");
  return "import json, os, signal, socket, subprocess, sys, threading, time\n"
         "def say(**message): os.write(3, json.dumps({'jsonrpc': '2.0', **message}).encode() + b'\\n')\n"
         "count = 0\n" +
         first +
         "\nfor line in os.fdopen(os.dup(3)):\n"
         "    run = json.loads(line)\n"
         "    if run['method'] != 'run': continue\n"
         "    count += 1\n"
         "    result = {'keep': True}\n"
         "    if count > 1: say(method='started')\n"
         "    print(os.getpid(), count, flush=True)" +
         indented + "\n    say(id=run['id'], result=result)\n";
}

class WarmFixture : public WorkerHostFixture {
 public:
  explicit WarmFixture(std::uint32_t idle_max = 16) : WorkerHostFixture(16384, {}, {}, "", {}, idle_max) {
    rules.keep = true;
    warm = &rules;
    on_request = [this](const ToldRequest& request) { hear(request); };
  }

  const Told& run(const std::string& program) { return finish(start(python(program))); }
  // "PID COUNT" of a run: the pid that it had.
  static pid_t pid_of(const Told& told) {
    REQUIRE_FALSE(told.lines.empty());
    return static_cast<pid_t>(std::stol(told.lines[0].text));
  }
  std::vector<WarmEnd> ends() const {
    std::vector<WarmEnd> all;
    for (const WarmEnded& ended : warm_ends) all.push_back(ended.why);
    return all;
  }
  void wait_for_end(WarmEnd why) {
    run_until([&] { return !warm_ends.empty() && warm_ends.back().why == why; });
  }
  void wait_until_gone(pid_t pid) {
    run_until([&] { return gone(pid); });
  }

  WarmRules rules;

 private:
  // What daemon/worker_channel does.
  void hear(const ToldRequest& request) {
    const WorkerSaying saying = parse_rpc(request.line, request.request_id);
    if (std::holds_alternative<StartedNote>(saying)) began_.insert(request.run);
    const auto* answer = std::get_if<RunAnswer>(&saying);
    if (answer != nullptr && answer->keep)
      host->offered(request.run, {answer->outcome == Outcome::kSkipped, began_.contains(request.run)});
  }

  std::set<RunId> began_;
};

using Ends = std::vector<WarmEnd>;

}  // namespace

TEST_CASE("a kept process has one run after the other, and each is told as one that ended well", "[warm_host]") {
  WarmFixture fixture;
  const std::string program = worker();
  const pid_t pid = WarmFixture::pid_of(fixture.run(program));
  for (int count = 2; count < 5; ++count) {
    const Told& told = fixture.run(program);
    CHECK(told.text() == std::to_string(pid) + " " + std::to_string(count) + "\n");
    CHECK(told.status.code == 0);
    CHECK(told.status.signal == 0);
    CHECK(told.exited_count == 1);
    CHECK(told.closed_count == 1);
    CHECK(fixture.requests.back().request_id == static_cast<std::uint32_t>(count));
  }
  CHECK(fixture.host->warm_counts().idle == 1);
  CHECK(fixture.host->warm_counts().tally.reused_count == 3);
  CHECK(fixture.warm_ends.empty());
}

TEST_CASE("a run that a kept process skipped is told as exit code 77", "[warm_host]") {
  WarmFixture fixture;
  CHECK(fixture.run(worker("result['status'] = 'skipped'")).status.code == 77);
  CHECK(fixture.host->warm_counts().idle == 1);
}

TEST_CASE("a task that is not warm is given no kept process, and its own is not kept", "[warm_host]") {
  WarmFixture fixture;
  const pid_t kept = WarmFixture::pid_of(fixture.run(worker()));
  fixture.warm = nullptr;
  // It offers what nobody asked for, and then leaves.
  CHECK(WarmFixture::pid_of(fixture.run(worker("say(id=1, result=result); sys.exit()"))) != kept);
  CHECK(fixture.host->warm_counts().idle == 1);
}

TEST_CASE("all that was written before the result belongs to its run, whole lines or not", "[warm_host]") {
  WarmFixture fixture;
  const std::string program = worker(
      "sys.stdout.write('x' * 40000 + '\\n' + 'out %d' % count); sys.stdout.flush()\n"
      "sys.stderr.write('err %d' % count); sys.stderr.flush()");
  for (const std::string count : {"1", "2", "3"}) {
    const Told& told = fixture.run(program);
    CHECK(told.text(OutputStream::kStderr) == "err " + count + "\n");
    const std::string out = told.text();
    CHECK(out.substr(out.size() - 7) == "\nout " + count + "\n");
    CHECK(out.find(std::string(16384, 'x')) != std::string::npos);
  }
}

TEST_CASE("a run is not over while the log has no room for what it wrote", "[warm_host]") {
  WarmFixture fixture;
  bool congested = true;
  fixture.congested = [&congested] { return congested; };
  const RunId run = fixture.start(python(worker()));
  fixture.run_until([&] { return fixture.requests.size() == 1; });
  CHECK_FALSE(fixture.told[run].over());
  CHECK(fixture.told[run].lines.empty());
  congested = false;
  fixture.finish(run);
  CHECK(fixture.told[run].lines.size() == 1);
  CHECK(fixture.host->warm_counts().idle == 1);
}

TEST_CASE("tasks of one group share a process, others do not", "[warm_host]") {
  WarmFixture fixture;
  fixture.rules.group = "g";
  const pid_t pid = WarmFixture::pid_of(fixture.run(worker()));
  fixture.task = "task-2";
  CHECK(WarmFixture::pid_of(fixture.run(worker())) == pid);
  fixture.rules.group = "";
  CHECK(WarmFixture::pid_of(fixture.run(worker())) != pid);
}

TEST_CASE("two runs at once have two processes, and both are kept", "[warm_host]") {
  WarmFixture fixture;
  const std::string program = worker("time.sleep(0.2)");
  const RunId one = fixture.start(python(program));
  const RunId other = fixture.start(python(program));
  fixture.finish(one);
  fixture.finish(other);
  CHECK(fixture.host->warm_counts().idle == 2);
}

TEST_CASE("a process that dies while it is idle is noticed, and the next run has another", "[warm_host]") {
  WarmFixture fixture;
  const pid_t pid = WarmFixture::pid_of(fixture.run(worker()));
  kill(pid, SIGKILL);
  fixture.wait_for_end(WarmEnd::kDied);
  fixture.wait_until_gone(pid);
  CHECK(fixture.host->warm_counts().idle == 0);
  CHECK(WarmFixture::pid_of(fixture.run(worker())) != pid);
  CHECK(fixture.told.size() == 2);
}

TEST_CASE("one that has died without anybody having noticed is not given a run", "[warm_host]") {
  WarmFixture fixture;
  const pid_t pid = WarmFixture::pid_of(fixture.run(worker()));
  kill(pid, SIGKILL);
  // It is dead when the kill returns or soon after, and the loop does not run until then.
  while (runs(pid)) continue;
  const Told& told = fixture.run(worker());
  CHECK(WarmFixture::pid_of(told) != pid);
  CHECK(fixture.ends() == Ends{WarmEnd::kDied});
  CHECK(fixture.host->warm_counts().tally.begun_again_count == 0);
}

TEST_CASE("a process that closes its fd 3 while it is idle is ended", "[warm_host]") {
  WarmFixture fixture;
  const pid_t pid = WarmFixture::pid_of(
      fixture.run(worker("say(id=run['id'], result=result); os.closerange(3, 100); time.sleep(1000)")));
  fixture.wait_for_end(WarmEnd::kDied);
  fixture.wait_until_gone(pid);
}

TEST_CASE("a process that writes while it is idle is ended, whichever way it writes", "[warm_host]") {
  const std::string how = GENERATE(as<std::string>(), "print('late', flush=True)", "say(method='progress')");
  WarmFixture fixture;
  const pid_t pid = WarmFixture::pid_of(fixture.run(
      worker("def late():\n  time.sleep(0.3)\n  " + how + "\nthreading.Thread(target=late, daemon=True).start()")));
  fixture.wait_for_end(WarmEnd::kSpoke);
  fixture.wait_until_gone(pid);
  CHECK(WarmFixture::pid_of(fixture.run(worker())) != pid);
}

TEST_CASE("what an idle process writes is told up to a limit, and never to a later run", "[warm_host]") {
  WarmFixture fixture;
  const std::string flood =
      "def flood():\n  time.sleep(0.2)\n  while True: os.write(1, b'flood\\n' * 500)\n"
      "threading.Thread(target=flood, daemon=True).start()";
  const pid_t pid = WarmFixture::pid_of(fixture.run(worker(flood)));
  fixture.wait_for_end(WarmEnd::kSpoke);
  const Told& next = fixture.run(worker());
  CHECK(next.lines.size() == 1);
  fixture.wait_until_gone(pid);
  CHECK(fixture.told[RunId{1}].lines.size() < 2 * WorkerOutput::kUnaskedBytesMax / 6);
}

TEST_CASE("one that says more after its result is not kept, and its run is over all the same", "[warm_host]") {
  WarmFixture fixture;
  const std::string twice =
      "os.write(3, (json.dumps({'jsonrpc': '2.0', 'id': run['id'], 'result': result}) + '\\n{').encode())\n"
      "for line in os.fdopen(os.dup(3)): pass\nos._exit(0)";
  const Told& told = fixture.run(worker(twice));
  CHECK(told.status.code == 0);
  CHECK(fixture.ends() == Ends{WarmEnd::kSpoke});
  fixture.wait_until_gone(WarmFixture::pid_of(told));
}

TEST_CASE("one that leaves a process behind is not kept, and nothing of it is left", "[warm_host]") {
  const std::string how = GENERATE(as<std::string>(), "", ", start_new_session=True");
  WarmFixture fixture;
  const Told& told =
      fixture.run(worker("child = subprocess.Popen(['sleep', '1000']" + how + ")\nprint(child.pid, flush=True)"));
  CHECK(told.status.code == 0);
  CHECK(fixture.ends() == Ends{WarmEnd::kLeftBehind});
  fixture.wait_until_gone(WarmFixture::pid_of(told));
  fixture.wait_until_gone(static_cast<pid_t>(std::stol(told.lines[1].text)));
}

TEST_CASE("one that has detached a process is not kept either", "[warm_host]") {
  WarmFixture fixture;
  // Once its line has come it is in a session of its own.
  const Told& told =
      fixture.run(worker("detached = ['setsid', '-f', 'sh', '-c', 'echo; exec sleep 1000 > /dev/null']\n"
                         "subprocess.Popen(detached, stdout=subprocess.PIPE).stdout.readline()\ntime.sleep(0.1)"));
  CHECK(fixture.ends() == Ends{WarmEnd::kLeftBehind});
  fixture.wait_until_gone(WarmFixture::pid_of(told));
  fixture.run_until([&] { return fixture.orphans_killed == 1; });
}

TEST_CASE("one that did not say that it began with its second run is not kept for a third", "[warm_host]") {
  WarmFixture fixture;
  std::string program = worker();
  program.replace(program.find("if count > 1"), 12, "if count > 9");
  const pid_t pid = WarmFixture::pid_of(fixture.run(program));
  const Told& second = fixture.run(program);
  CHECK(WarmFixture::pid_of(second) == pid);
  CHECK(second.status.code == 0);
  CHECK(fixture.ends() == Ends{WarmEnd::kUnannounced});
}

TEST_CASE("a process has to go after so many runs, after so long, and for too much memory", "[warm_host]") {
  WarmFixture fixture;
  SECTION("runs") {
    fixture.rules.runs_max = 2;
    const pid_t pid = WarmFixture::pid_of(fixture.run(worker()));
    CHECK(fixture.warm_ends.empty());
    CHECK(WarmFixture::pid_of(fixture.run(worker())) == pid);
    CHECK(fixture.ends() == Ends{WarmEnd::kMaxRuns});
    fixture.wait_until_gone(pid);
  }
  SECTION("time") {
    fixture.rules.idle_timeout = 100ms;
    const pid_t pid = WarmFixture::pid_of(fixture.run(worker()));
    fixture.wait_for_end(WarmEnd::kIdleTimeout);
    fixture.wait_until_gone(pid);
  }
  SECTION("memory") {
    fixture.rules.memory_max_bytes = std::uint64_t{64} << 20;
    const pid_t pid = WarmFixture::pid_of(fixture.run(worker("if count == 2: kept = b'x' * (80 << 20)")));
    CHECK(fixture.warm_ends.empty());
    CHECK(WarmFixture::pid_of(fixture.run(worker())) == pid);
    CHECK(fixture.ends() == Ends{WarmEnd::kMaxMemory});
    fixture.wait_until_gone(pid);
  }
}

TEST_CASE("of more than may be kept, the one that has been idle longest is ended", "[warm_host]") {
  WarmFixture fixture(1);
  const pid_t first = WarmFixture::pid_of(fixture.run(worker()));
  fixture.task = "task-2";
  const pid_t second = WarmFixture::pid_of(fixture.run(worker()));
  CHECK(fixture.ends() == Ends{WarmEnd::kNoRoom});
  fixture.wait_until_gone(first);
  CHECK(WarmFixture::pid_of(fixture.run(worker())) == second);
}

TEST_CASE("where none may be kept, none is asked to stay", "[warm_host]") {
  WarmFixture fixture(0);
  const pid_t first = WarmFixture::pid_of(fixture.run(worker("say(id=1, result=result); sys.exit()")));
  CHECK(WarmFixture::pid_of(fixture.run(worker("say(id=1, result=result); sys.exit()"))) != first);
  CHECK(fixture.warm_ends.empty());
}

TEST_CASE("a process of a term that is over is not given a run, and is killed", "[warm_host]") {
  WarmFixture fixture;
  fixture.epoch = 7;
  const pid_t old = WarmFixture::pid_of(fixture.run(worker()));
  fixture.epoch = 8;
  const pid_t pid = WarmFixture::pid_of(fixture.run(worker()));
  CHECK(pid != old);
  CHECK(fixture.ends() == Ends{WarmEnd::kOtherTerm});
  fixture.wait_until_gone(old);
  fixture.host->end_warm_of_lease();
  CHECK(fixture.ends() == Ends{WarmEnd::kOtherTerm, WarmEnd::kOtherTerm});
  fixture.wait_until_gone(pid);
}

TEST_CASE("a process that dies before it began with a run costs nothing: the run begins in another", "[warm_host]") {
  WarmFixture fixture;
  const pid_t pid = WarmFixture::pid_of(fixture.run(worker()));
  kill(pid, SIGSTOP);
  const RunId run = fixture.start(python(worker()));
  CHECK(fixture.host->warm_counts().tally.reused_count == 1);
  kill(pid, SIGKILL);
  const Told& told = fixture.finish(run);
  CHECK(told.status.code == 0);
  CHECK(told.status.signal == 0);
  CHECK(WarmFixture::pid_of(told) != pid);
  CHECK(told.exited_count == 1);
  CHECK(told.closed_count == 1);
  CHECK(fixture.host->warm_counts().tally.begun_again_count == 1);
  CHECK(fixture.ends() == Ends{WarmEnd::kDidNotBegin});
  // The other one is kept in turn.
  CHECK(WarmFixture::pid_of(fixture.run(worker())) == WarmFixture::pid_of(told));
}

TEST_CASE("one that leaves without a word when it is given a run costs nothing either", "[warm_host]") {
  WarmFixture fixture;
  std::string program = worker();
  program.replace(program.find("if count > 1: say(method='started')"), 35, "if count > 1: os._exit(0)");
  const pid_t pid = WarmFixture::pid_of(fixture.run(program));
  const Told& told = fixture.run(worker());
  CHECK(WarmFixture::pid_of(told) != pid);
  CHECK(told.closed_count == 1);
}

TEST_CASE("one that has begun and dies has failed: nobody knows what it did", "[warm_host]") {
  WarmFixture fixture;
  const std::string program = worker("if count > 1: os.kill(os.getpid(), 9)");
  const pid_t pid = WarmFixture::pid_of(fixture.run(program));
  const Told& told = fixture.run(program);
  CHECK(WarmFixture::pid_of(told) == pid);
  CHECK(told.status.signal == SIGKILL);
  CHECK(fixture.host->warm_counts().tally.begun_again_count == 0);
}

TEST_CASE("one that does not begin at all is killed, and its run begins in another", "[warm_host]") {
  WarmFixture fixture;
  const pid_t pid = WarmFixture::pid_of(fixture.run(worker()));
  kill(pid, SIGSTOP);
  const Told& told = fixture.run(worker());
  CHECK(WarmFixture::pid_of(told) != pid);
  CHECK(told.status.code == 0);
  CHECK(fixture.ends() == Ends{WarmEnd::kDidNotBegin});
}

TEST_CASE("a run that is stopped before it began is over, and does not begin elsewhere", "[warm_host]") {
  WarmFixture fixture;
  const pid_t pid = WarmFixture::pid_of(fixture.run(worker()));
  kill(pid, SIGSTOP);
  const RunId run = fixture.start(python(worker()));
  fixture.host->stop(run, StopSignal::kTerminate, "why");
  fixture.host->stop(run, StopSignal::kKill, "why");
  const Told& told = fixture.finish(run);
  CHECK(told.status.signal == SIGKILL);
  CHECK(told.lines.empty());
  CHECK(told.exited_count == 1);
  CHECK(told.closed_count == 1);
}

TEST_CASE("a run that cannot begin elsewhere has failed, and says why", "[warm_host]") {
  const TemporaryDirectory directory;
  WarmFixture fixture;
  const std::string program = (directory.path() / "program").string();
  std::filesystem::copy_file("/usr/bin/python3", program);
  const std::vector<std::string> argv{program, "-c", worker()};
  const pid_t pid = WarmFixture::pid_of(fixture.finish(fixture.start(argv)));
  kill(pid, SIGSTOP);
  const RunId run = fixture.start(argv);
  std::filesystem::remove(program);
  kill(pid, SIGKILL);
  const Told& told = fixture.finish(run);
  CHECK(told.status.code == 1);
  REQUIRE(fixture.reports.size() == 1);
  CHECK(fixture.reports[0].run == run);
  CHECK(fixture.reports[0].outcome == Outcome::kFailed);
  CHECK(fixture.reports[0].message.find("its warm worker ended before it began with the run, and no other could be "
                                        "started: ") == 0);
}

TEST_CASE("a run that was to be stopped and ends well is not kept", "[warm_host]") {
  WarmFixture fixture;
  const std::string program = worker(
      "heard = []\nsignal.signal(signal.SIGTERM, lambda *_: heard.append(1))\nprint('ready', flush=True)\n"
      "while not heard: time.sleep(0.01)");
  const RunId run = fixture.start(python(program));
  fixture.run_until([&] { return fixture.told[run].lines.size() == 2; });
  fixture.host->stop(run, StopSignal::kTerminate, "why");
  fixture.finish(run);
  CHECK(fixture.ends() == Ends{WarmEnd::kStopAsked});
}

TEST_CASE("when the scheduler stops, idle processes are asked to leave, and none is kept any more", "[warm_host]") {
  WarmFixture fixture;
  const pid_t pid = WarmFixture::pid_of(fixture.run(worker()));
  const std::string slow = worker("time.sleep(0.3)");
  fixture.task = "task-2";
  const RunId run = fixture.start(python(slow));
  fixture.host->end_warm();
  CHECK(fixture.host->warm_counts().idle == 0);
  CHECK(fixture.host->warm_counts().leaving == 1);
  fixture.wait_until_gone(pid);
  const Told& told = fixture.finish(run);
  CHECK(told.status.code == 0);
  CHECK(fixture.ends() == Ends{WarmEnd::kStopping, WarmEnd::kStopping});
  fixture.wait_until_gone(WarmFixture::pid_of(told));
  fixture.run_until([&] { return fixture.host->warm_counts().leaving == 0; });
}

TEST_CASE("one that does not leave by itself is killed", "[warm_host]") {
  WarmFixture fixture;
  fixture.rules.runs_max = 1;
  const std::string stubborn = worker(
      "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsay(id=run['id'], result=result)\nwhile True: time.sleep(1)");
  const Told& told = fixture.run(stubborn);
  CHECK(told.status.code == 0);
  CHECK(runs(WarmFixture::pid_of(told)));
  fixture.wait_until_gone(WarmFixture::pid_of(told));
}

TEST_CASE("the tally says what was kept and how it ended, and nothing where nothing was", "[warm_host]") {
  CHECK(warm_tally_line({}).empty());
  WarmTally tally;
  tally.reused_count = 240;
  tally.begun_again_count = 1;
  tally.ended_counts[static_cast<std::size_t>(WarmEnd::kDidNotBegin)] = 1;
  CHECK(warm_tally_line(tally) ==
        "warm workers: 240 runs in kept processes, 1 of them started again in another; 1 ended: it did not begin with "
        "the run that it was given");
  CHECK(warm_end_line({"report", 71, WarmEnd::kIdleTimeout}) ==
        "report: its warm worker (process 71) is ended: it was idle for its warm_idle_timeout");
}
