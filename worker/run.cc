#include "worker/run.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cxxabi.h>
#include <exception>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <typeinfo>
#include <utility>

#include "io/plugin_files.h"
#include "worker/host.h"
#include "worker/plugin.h"

namespace stargazer::worker {
namespace {

constexpr int kExitSkipped = 77;
constexpr int kExitNoRun = 2;

RunAnswer failure(const std::string& message, const std::string& kind) {
  return {Outcome::kFailed, message, kind};
}

// The class of the exception that is being handled, as its author wrote it.
std::string exception_class() {
  const std::type_info* const type = abi::__cxa_current_exception_type();
  if (type == nullptr) return "";
  int status = 0;
  char* const name = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
  std::string text = name == nullptr ? type->name() : name;
  std::free(name);
  return text;
}

RunAnswer call(const stargazer_job& job, const Host& host) {
  try {
    return host.settle(job.run(&host.table()));
  } catch (const std::exception& error) {
    return failure(error.what(), exception_class());
  } catch (...) {
    return failure("an exception left the job", exception_class());
  }
}

// Says which one of the files that a path has named over time: another one is there once it has been replaced.
struct FileStamp {
  dev_t device = 0;
  ino_t number = 0;
  off_t size = 0;
  std::int64_t written_ns = 0;
  bool operator==(const FileStamp&) const = default;
};

FileStamp stamp_of(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return {};
  constexpr std::int64_t kNsPerS = 1'000'000'000;
  return {found.st_dev, found.st_ino, found.st_size, found.st_mtim.tv_sec * kNsPerS + found.st_mtim.tv_nsec};
}

// What the runs of this process share: the library, which is loaded for the first of them.
class Library {
 public:
  explicit Library(std::string name) : name_(std::move(name)) {}

  RunAnswer call(const std::string& job_name, const Host& host) {
    if (plugin_ == nullptr) {
      if (const Status loaded = load(); !loaded.ok()) return failure(loaded.error().message(), "PluginError");
    }
    const Result<const stargazer_job*> job = find_job(*plugin_, job_name);
    if (!job.ok()) return failure(job.error().in(file_).message(), "PluginError");
    return worker::call(**job, host);
  }

  // Whether it is still what its file says.
  bool current() const { return plugin_ != nullptr && stamp_of(file_) == stamp_; }

 private:
  Status load() {
    Result<std::string> file = find_plugin(name_);
    if (!file.ok()) return file.error();
    file_ = std::move(file).value();
    stamp_ = stamp_of(file_);
    const Result<const stargazer_plugin*> plugin = load_plugin(file_);
    if (!plugin.ok()) return plugin.error();
    plugin_ = *plugin;
    return {};
  }

  const std::string name_;
  std::string file_;
  FileStamp stamp_;
  const stargazer_plugin* plugin_ = nullptr;
};

// The Host is for the rest of the process's life: a thread that the job leaves behind may still call it.
RunAnswer carry_out(const RunCall& run, const std::string& job, Library& library, Channel& channel, Stop& stop) {
  auto* const host = new Host(run, channel, stop);
  RunAnswer answer = library.call(run.job.empty() ? job : run.job, *host);
  answer.keep = run.keep && answer.outcome != Outcome::kFailed && !stop.asked();
  return answer;
}

RunAnswer carry_out_first(const RunCall& run, const std::string& job, Library& library, Channel& channel, Stop& stop) {
  if (run.protocol != kRpcProtocol) {
    return failure("stargazer-worker speaks protocol " + std::to_string(kRpcProtocol) + ", the scheduler " +
                       std::to_string(run.protocol),
                   "ProtocolError");
  }
  if (const Status listens = channel.listen(); !listens.ok()) return failure(listens.error().message(), "WorkerError");
  return carry_out(run, job, library, channel, stop);
}

void report(const RunCall& run, const RunAnswer& answer, Channel& channel) {
  // What the job has printed comes before its end. Not every stream: a thread that reads from one would hold us up.
  std::fflush(stdout);
  channel.send_result(result_line(answer, run.id));
}

int exit_code(Outcome outcome) {
  if (outcome == Outcome::kSkipped) return kExitSkipped;
  return outcome == Outcome::kOk ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int run_job(const std::string& library_name, const std::string& job, Channel& channel, Stop& stop) {
  const Result<RunCall> first = channel.read_run();
  if (!first.ok()) {
    std::fprintf(stderr, "%s\n", first.error().message().c_str());
    return kExitNoRun;
  }
  Library library(library_name);
  RunAnswer answer = carry_out_first(*first, job, library, channel, stop);
  report(*first, answer, channel);
  while (answer.keep) {
    const std::optional<RunCall> run = channel.next_run();
    // A run that has not begun is started again in another process.
    if (!run || stop.asked() || !library.current()) return EXIT_SUCCESS;
    channel.send(run->id, started_line());
    answer = carry_out(*run, job, library, channel, stop);
    report(*run, answer, channel);
  }
  return exit_code(answer.outcome);
}

}  // namespace stargazer::worker
