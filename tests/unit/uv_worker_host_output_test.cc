// What workers write: captured to the end, line by line, in bounded memory, with back-pressure.
#include <numeric>

#include "io/uv_worker_host.h"
#include "unit/worker_host_fixture.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

// A figure of /proc/self/status in KiB.
std::size_t memory_kib(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name + ":", 0) == 0) return std::stoul(line.substr(name.size() + 1));
  }
  return 0;
}

}  // namespace

TEST_CASE("stdout and stderr are told apart, line by line, with the name and run", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  std::vector<std::string> seen;
  fixture.on_line = [&](const OutputLine& line) {
    const bool out = line.stream == OutputStream::kStdout;
    seen.push_back(std::string(line.name) + " " + std::string(line.run_id_text) + (out ? " out " : " err ") +
                   std::string(line.text));
  };
  fixture.run_to_end(shell("printf 'one\\n\\nthree'; printf 'four\\r\\nfive' >&2"));
  std::sort(seen.begin(), seen.end());
  CHECK(seen == std::vector<std::string>{"task-1 test-1 err five", "task-1 test-1 err four", "task-1 test-1 out ",
                                         "task-1 test-1 out one", "task-1 test-1 out three"});
}

TEST_CASE("bytes of any value arrive as they were written", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const Told& told = fixture.run_to_end(python("import os; os.write(1, bytes(b for b in range(256) if b != 10))"));
  std::string expected;
  for (int byte = 0; byte < 256; ++byte) {
    if (byte != '\n') expected += static_cast<char>(byte);
  }
  REQUIRE(told.lines.size() == 1);
  CHECK(told.lines[0].text == expected);
}

TEST_CASE("a line that is too long arrives cut, once, and the next one is whole", "[uv_worker_host]") {
  WorkerHostFixture fixture(1000);
  const Told& told = fixture.run_to_end(shell("head -c 300000 /dev/zero | tr '\\0' x; echo; echo next"));
  REQUIRE(told.lines.size() == 2);
  CHECK(told.lines[0].text == std::string(1000, 'x'));
  CHECK(told.lines[0].cut);
  CHECK(told.lines[1].text == "next");
  CHECK_FALSE(told.lines[1].cut);
}

TEST_CASE("a hundred megabytes of output are complete and take no memory", "[uv_worker_host]") {
  constexpr std::size_t kBytes = 100'000'000;
  const std::string expected = "0123456789012345678901234567890123456789012345678901234567890123";
  WorkerHostFixture fixture;
  std::size_t bytes = 0;
  std::size_t wrong = 0;
  fixture.on_line = [&](const OutputLine& line) {
    bytes += line.text.size() + 1;
    if (line.text != expected) ++wrong;
  };
  std::ofstream("/proc/self/clear_refs") << "5";
  const std::size_t before_kib = memory_kib("VmRSS");
  fixture.run_to_end(shell("yes " + expected + " | head -c " + std::to_string(kBytes)));
  CHECK(bytes == kBytes + 1);  // the last line has no newline
  CHECK(wrong == 1);
  CHECK(memory_kib("VmHWM") < before_kib + 32 * 1024);
}

TEST_CASE("while the log is congested output stays in the pipe, and none of it is lost", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  int asked = 0;
  std::vector<long> numbers;
  fixture.congested = [&] { return ++asked % 4 != 0; };
  fixture.on_line = [&](const OutputLine& line) {
    CHECK(asked % 4 == 0);
    numbers.push_back(std::stol(std::string(line.text)));
  };
  const Told& told = fixture.run_to_end({"seq", "20000"});
  CHECK(told.status.code == 0);
  CHECK(asked > 4);
  std::vector<long> expected(20000);
  std::iota(expected.begin(), expected.end(), 1L);
  CHECK(numbers == expected);
}

TEST_CASE("a worker that is held back by congestion cannot run ahead of the pipe", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  int asked = 0;
  bool open = false;
  fixture.congested = [&] { return ++asked > 0 && !open; };
  const RunId run = fixture.start(shell("head -c 1000000 /dev/zero | tr '\\0' '\\n'; echo end >&2"));
  fixture.run_until([&] { return asked >= 10; });
  CHECK(fixture.told[run].lines.empty());
  CHECK(fixture.told[run].exited_count == 0);
  open = true;
  CHECK(fixture.finish(run).lines.size() == 1'000'001);
}

TEST_CASE("a run that is killed while its output is held back ends in order", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  int asked = 0;
  fixture.congested = [&] { return ++asked > 0; };
  const RunId run = fixture.start({"yes"});
  fixture.run_until([&] { return asked >= 3; });
  fixture.host->stop(run, StopSignal::kKill, "why");
  fixture.run_until([&] { return fixture.told[run].exited_count == 1; });
  CHECK(fixture.told[run].closed_count == 0);
  fixture.host->close_channel(run);
  CHECK(fixture.told[run].closed_count == 1);
  // Its place among the paused ones is looked at once more and is empty.
  fixture.congested = nullptr;
  fixture.run_to_end(shell("exec >&- 2>&-; sleep 0.05"));
}

TEST_CASE("no read brings more lines than the log can take before it says that it is congested", "[uv_worker_host]") {
  constexpr std::size_t kLinesMax = 4096;
  WorkerHostFixture fixture;
  std::size_t lines = 0;
  std::size_t most = 0;
  fixture.congested = [&] {
    most = std::max(most, std::exchange(lines, 0));
    return false;
  };
  fixture.on_line = [&](const OutputLine&) { ++lines; };
  fixture.run_to_end(shell("head -c 1000000 /dev/zero | tr '\\0' '\\n'"));
  CHECK(most > 0);
  CHECK(most <= kLinesMax);
}

TEST_CASE("a worker that closes its streams early is told as closed before it is told as exited", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  const RunId run = fixture.start(shell("exec >&- 2>&- 3>&-; exec sleep 1000"));
  fixture.run_until([&] { return fixture.told[run].closed_count == 1; });
  CHECK(fixture.told[run].exited_count == 0);
  fixture.host->close_channel(run);
  fixture.host->stop(run, StopSignal::kTerminate, "why");
  CHECK(fixture.finish(run).status.signal == SIGTERM);
  CHECK(fixture.told[run].closed_count == 1);
}

TEST_CASE("a worker that closes only some of its streams is heard on the others", "[uv_worker_host]") {
  WorkerHostFixture fixture;
  CHECK(fixture.run_to_end(shell("exec 3>&-; echo one; exec >&-; echo two >&2; exit 5")).status.code == 5);
  const Told& told = fixture.told.begin()->second;
  CHECK(told.text() == "one\n");
  CHECK(told.text(OutputStream::kStderr) == "two\n");
  CHECK(told.closed_count == 1);
}
