#include "worker/run.h"

#include <cstdio>
#include <cstdlib>
#include <cxxabi.h>
#include <exception>
#include <typeinfo>

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

RunAnswer load_and_call(const std::string& library, const std::string& job_name, const Host& host) {
  const Result<std::string> file = find_plugin(library);
  const Result<const stargazer_plugin*> plugin = file.ok() ? load_plugin(*file) : file.error();
  if (!plugin.ok()) return failure(plugin.error().message(), "PluginError");
  const Result<const stargazer_job*> job = find_job(**plugin, job_name);
  if (!job.ok()) return failure(job.error().in(*file).message(), "PluginError");
  return call(**job, host);
}

RunAnswer carry_out(RunCall run, const std::string& library, const std::string& job, Channel& channel, Stop& stop) {
  if (run.protocol != kRpcProtocol) {
    return failure("stargazer-worker speaks protocol " + std::to_string(kRpcProtocol) + ", the scheduler " +
                       std::to_string(run.protocol),
                   "ProtocolError");
  }
  if (const Status listens = channel.listen(); !listens.ok()) return failure(listens.error().message(), "WorkerError");
  auto* const host = new Host(std::move(run), channel, stop);  // for the rest of the process's life
  return load_and_call(library, job, *host);
}

int exit_code(Outcome outcome) {
  if (outcome == Outcome::kSkipped) return kExitSkipped;
  return outcome == Outcome::kOk ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int run_job(const std::string& library, const std::string& job, Channel& channel, Stop& stop) {
  Result<RunCall> run = channel.read_run();
  if (!run.ok()) {
    std::fprintf(stderr, "%s\n", run.error().message().c_str());
    return kExitNoRun;
  }
  const RunAnswer answer = carry_out(std::move(run).value(), library, job, channel, stop);
  // What the job has printed comes before its end. Not every stream: a thread that reads from one would hold us up.
  std::fflush(stdout);
  channel.send_result(result_line(answer));
  return exit_code(answer.outcome);
}

}  // namespace stargazer::worker
