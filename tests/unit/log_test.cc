// The log on a real stderr. Each case runs in a process of its own: this binary, asked for one of the hidden cases
// below with a pipe as its stderr. What the journal gets is checked where there is one, in the booted container.
#include "io/log.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <spawn.h>
#include <sstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "io/unique_fd.h"
#include "unit/catch.h"

extern char** environ;

using namespace stargazer;

namespace {

// This binary with one hidden case and its stderr in a pipe.
class LogProcess {
 public:
  explicit LogProcess(std::string hidden_case) {
    std::array<int, 2> ends{};
    REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
    read_end_.reset(ends[0]);
    const UniqueFd write_end(ends[1]);
    REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
    told_.reset(ends[0]);
    const UniqueFd tell(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, tell.get(), STDIN_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDERR_FILENO);
    std::string program = "/proc/self/exe";
    std::array<char*, 3> argv{program.data(), hidden_case.data(), nullptr};
    const int error = posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    REQUIRE(error == 0);
  }
  ~LogProcess() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  LogProcess(const LogProcess&) = delete;
  LogProcess& operator=(const LogProcess&) = delete;

  // Until it writes to its descriptor 0, or ends.
  void wait_until_told() const {
    char byte = 0;
    while (read(told_.get(), &byte, 1) < 0 && errno == EINTR) {
    }
  }

  // Everything that it writes until it closes its stderr.
  std::string read_all() const {
    std::string all;
    std::array<char, 65536> buffer{};
    for (ssize_t count = 0; (count = read(read_end_.get(), buffer.data(), buffer.size())) > 0;) {
      all.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return all;
  }

  // True when every check of the hidden case held.
  bool succeeded() {
    int status = 0;
    waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  UniqueFd read_end_;
  UniqueFd told_;
  pid_t pid_ = 0;
};

// The lines without their time.
std::vector<std::string> lines_of(const std::string& text) {
  const std::string time_form = "00:00:00.000 ";
  std::vector<std::string> all;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::string time = line.substr(0, time_form.size());
    std::replace_if(
        time.begin(), time.end(), [](char c) { return c >= '0' && c <= '9'; }, '0');
    CHECK(time == time_form);
    all.push_back(line.substr(time.size()));
  }
  return all;
}

LogRecord workers_line(std::string text) {
  return {Priority::kInfo, std::move(text), {{"TASK", "kg_decay"}, {"RUN_ID", "r1"}, {"STREAM", "stdout"}}};
}

// More than a pipe holds.
const std::string kLong(1000, 'x');

// The sum of what the lines about dropped ones say.
std::size_t dropped_after(const std::vector<std::string>& lines) {
  const std::string start = "warning the log was too slow: ";
  std::size_t sum = 0;
  for (const std::string& line : lines) {
    if (line.rfind(start, 0) != 0) continue;
    std::size_t digits = 0;
    sum += std::stoul(line.substr(start.size()), &digits);
    CHECK(line.substr(start.size() + digits) == " lines were dropped");
  }
  return sum;
}

}  // namespace

TEST_CASE("log process writes each priority", "[.log-process]") {
  const Priority threshold = GENERATE(Priority::kDebug, Priority::kNotice);
  Log log(GENERATE(LogTarget::kTerminal, LogTarget::kAuto), threshold);
  log.write({Priority::kError, "an error", {}});
  log.write({Priority::kWarning, "a warning", {}});
  log.write({Priority::kNotice, "a notice", {}});
  log.write({Priority::kInfo, "an info", {{"TASK", "not shown"}}});
  log.write({Priority::kDebug, "a debug", {}});
  CHECK(log.dropped_count() == 0);
}

TEST_CASE("lines reach the terminal in order, from the threshold up", "[log][thread]") {
  LogProcess process("log process writes each priority");
  const std::vector<std::string> notices{"error   an error", "warning a warning", "notice  a notice"};
  std::vector<std::string> all = notices;
  all.insert(all.end(), {"info    an info", "debug   a debug"});
  std::vector<std::string> expected;
  for (const auto& part : {all, all, notices, notices}) expected.insert(expected.end(), part.begin(), part.end());
  CHECK(lines_of(process.read_all()) == expected);
  CHECK(process.succeeded());
}

TEST_CASE("log process writes a hostile worker's lines", "[.log-process]") {
  Log log(LogTarget::kTerminal, Priority::kInfo);
  log.write(workers_line("plain, tätig, 日本語, 🚀"));
  log.write(workers_line("\x1b[2J\x1b]0;title\x07"));
  log.write(workers_line("a\rb\nforged\tc\x7f"));
  log.write(workers_line(std::string("nul\0nul", 7)));
  log.write(
      workers_line("\xc2\x9b"
                   "2J \x9b"
                   "1m \xc2\xa0"));
  log.write(workers_line("\xff \xc0\x9b \xe2\x82 \xf5\x80\x80\x80 \xe2\x1b[m \xc3"));
}

TEST_CASE("a worker's line is told by its task and cannot drive the terminal", "[log][thread]") {
  LogProcess process("log process writes a hostile worker's lines");
  const std::string start = "info    kg_decay | ";
  CHECK(lines_of(process.read_all()) ==
        std::vector<std::string>{start + "plain, tätig, 日本語, 🚀", start + "\\x1b[2J\\x1b]0;title\\x07",
                                 start + "a\\x0db\\x0aforged\\x09c\\x7f", start + "nul\\x00nul",
                                 start + "\\xc2\\x9b2J \\x9b1m \xc2\xa0",
                                 start + "\\xff \\xc0\\x9b \\xe2\\x82 \\xf5\\x80\\x80\\x80 \\xe2\\x1b[m \\xc3"});
  CHECK(process.succeeded());
}

TEST_CASE("log process is never read", "[.log-process]") {
  Log log(LogTarget::kTerminal, Priority::kInfo);
  CHECK_FALSE(log.congested());
  for (std::size_t count = 0; count < 2 * Log::kQueueMax; ++count) {
    log.write({Priority::kInfo, kLong, {}});
    log.write({Priority::kDebug, "below the threshold", {}});
  }
  CHECK(log.congested());
  CHECK(log.dropped_count() >= Log::kQueueMax - 200);
  CHECK(log.dropped_count() <= Log::kQueueMax);
}

TEST_CASE("a stderr that nobody reads blocks neither a write nor the end", "[log][thread]") {
  LogProcess process("log process is never read");
  CHECK(process.succeeded());
}

TEST_CASE("log process is read late", "[.log-process]") {
  Log log(LogTarget::kTerminal, Priority::kInfo);
  for (std::size_t count = 0; count < 2 * Log::kQueueMax; ++count) log.write({Priority::kInfo, kLong, {}});
  CHECK(log.dropped_count() > 0);
  // Tells the reader to begin.
  REQUIRE(write(STDIN_FILENO, "x", 1) == 1);
  while (log.congested()) std::this_thread::yield();
}

TEST_CASE("each line is written or counted as dropped, and the count is said", "[log][thread]") {
  LogProcess process("log process is read late");
  process.wait_until_told();
  const std::vector<std::string> lines = lines_of(process.read_all());
  const auto written = static_cast<std::size_t>(std::count_if(
      lines.begin(), lines.end(), [](const std::string& line) { return line.rfind("info    ", 0) == 0; }));
  const std::size_t dropped = dropped_after(lines);
  CHECK(written + dropped == 2 * Log::kQueueMax);
  CHECK(dropped > 0);
  CHECK(process.succeeded());
}

TEST_CASE("log process cannot write for a while", "[.log-process]") {
  const UniqueFd out(dup(STDERR_FILENO));
  const UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  Log log(LogTarget::kTerminal, Priority::kInfo);
  const auto written = [&log] {
    while (!log.idle()) std::this_thread::yield();
  };
  log.write({Priority::kInfo, "before", {}});
  written();
  dup2(full.get(), STDERR_FILENO);
  for (int count = 0; count < 3; ++count) log.write({Priority::kInfo, "lost", {}});
  written();
  dup2(out.get(), STDERR_FILENO);
  log.write({Priority::kInfo, "after", {}});
}

TEST_CASE("lines that cannot be written are counted, and told before the first that can", "[log][thread]") {
  LogProcess process("log process cannot write for a while");
  CHECK(lines_of(process.read_all()) ==
        std::vector<std::string>{"info    before",
                                 "warning the log could not be written: 3 lines are lost: No space left on device",
                                 "info    after"});
  CHECK(process.succeeded());
}

TEST_CASE("log process is written by several threads", "[.log-process]") {
  Log log(LogTarget::kTerminal, Priority::kInfo);
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([&log, number] {
      for (int count = 0; count < 500; ++count) {
        log.write({Priority::kInfo, std::to_string(number) + " " + std::to_string(count), {}});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(log.dropped_count() == 0);
}

TEST_CASE("threads write whole lines, each in its own order", "[log][thread]") {
  LogProcess process("log process is written by several threads");
  std::array<int, 4> next{};
  const std::vector<std::string> lines = lines_of(process.read_all());
  CHECK(lines.size() == 2000);
  for (const std::string& line : lines) {
    std::istringstream words(line);
    std::string level;
    std::size_t number = 0;
    int count = -1;
    words >> level >> number >> count;
    REQUIRE(number < next.size());
    CHECK(count == next[number]++);
  }
  CHECK(process.succeeded());
}
