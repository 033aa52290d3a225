// Runs one job in C++ with the test as its host: play_host JOB, the run's parameters as the first line of stdin.
//
// What the job says is a line of JSON each on stdout. {"verify":N} waits for a line: "held"; "held stop" = held, and
// the run is to stop from then on; anything else is the reason why the lease does not hold. SIGTERM asks to stop as
// well. The last line is the outcome.
#include <atomic>
#include <csignal>
#include <cstring>
#include <iostream>
#include <string>
#include <sys/eventfd.h>
#include <unistd.h>

#include "jobs/job_list.h"
#include "jobs/json_text.h"

namespace {

using namespace stargazer;
using namespace stargazer::jobs;

std::atomic<bool> stop{false};
int stop_event = -1;

void request_stop() {
  stop = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(stop_event, &one, sizeof one);
}

void say(const Json& what) {
  std::cout << dump_json(what) << std::endl;
}

class PlayedHost final : public JobHost {
 public:
  void log(LogLevel level, const std::string& message) override {
    say({{"log", message}, {"level", static_cast<int>(level)}});
  }
  void event(const JobEvent& event) override {
    say({{"event", event.event_type},
         {"source", event.source},
         {"status", event.status},
         {"preview", event.preview},
         {"payload", Json::parse(event.payload)}});
  }
  void count(const std::string& name, double value) override { say({{"counter", name}, {"value", value}}); }
  void progress(double done, double total, const std::string& message) override {
    say({{"done", done}, {"total", total}, {"progress", message}});
  }
  Status verify_lease() override {
    say({{"verify", ++verifications_}});
    std::string answer;
    std::getline(std::cin, answer);
    if (answer == "held stop") request_stop();
    if (answer.starts_with("held")) return {};
    return Error(answer.empty() ? "the test is gone" : answer);
  }
  bool stop_requested() const override { return stop; }
  int stop_fd() const override { return stop_event; }

 private:
  int verifications_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  stop_event = eventfd(0, EFD_CLOEXEC);
  std::signal(SIGTERM, [](int) { request_stop(); });
  std::signal(SIGPIPE, SIG_IGN);
  std::string params;
  std::getline(std::cin, params);
  PlayedHost host;
  for (const NamedJob& job : kJobs) {
    if (argc != 2 || std::strcmp(job.name, argv[1]) != 0) continue;
    const JobOutcome outcome = job.run(params, host);
    say({{"outcome", static_cast<int>(outcome.kind)}, {"error", outcome.error}, {"message", outcome.message}});
    return 0;
  }
  std::cerr << "usage: play_host JOB\n";
  return 2;
}
