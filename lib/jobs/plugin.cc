// The plugin stargazer-jobs: the jobs of job_list.h behind the C ABI of stargazer/plugin.h.
#include <array>
#include <cstddef>
#include <stargazer/plugin.h>
#include <string>
#include <utility>

#include "jobs/job_list.h"

namespace {

using namespace stargazer;
using namespace stargazer::jobs;

constexpr std::size_t kReasonBytesMax = 512;

int priority_of(LogLevel level) {
  switch (level) {
    case LogLevel::kError: return STARGAZER_LOG_ERROR;
    case LogLevel::kWarning: return STARGAZER_LOG_WARNING;
    case LogLevel::kInfo: return STARGAZER_LOG_INFO;
    case LogLevel::kDebug: return STARGAZER_LOG_DEBUG;
  }
  return STARGAZER_LOG_INFO;
}

const char* given(const std::string& text) {
  return text.empty() ? nullptr : text.c_str();
}

class PluginHost final : public JobHost {
 public:
  explicit PluginHost(const stargazer_host* host) : host_(host) {}

  void log(LogLevel level, const std::string& message) override {
    host_->log(host_, priority_of(level), message.c_str());
  }
  void event(const JobEvent& event) override {
    stargazer_event told{};
    told.struct_size = sizeof told;
    told.event_type = given(event.event_type);
    told.source = given(event.source);
    told.status = given(event.status);
    told.preview = given(event.preview);
    told.payload = given(event.payload);
    host_->event(host_, &told);
  }
  void count(const std::string& name, double value) override { host_->counter(host_, name.c_str(), value); }
  void progress(double done, double total, const std::string& message) override {
    host_->progress(host_, done, total, message.c_str());
  }
  Status verify_lease() override {
    std::array<char, kReasonBytesMax> reason{};
    const int answer = host_->verify_lease(host_, reason.data(), reason.size());
    if (answer == STARGAZER_DONE) return {};
    return Error(reason[0] == '\0' ? "the lease could not be verified" : reason.data());
  }
  bool stop_requested() const override { return host_->stop_requested(host_) != 0; }
  int stop_fd() const override { return host_->stop_fd; }

 private:
  const stargazer_host* host_;
};

template <std::size_t Job>
int run(const stargazer_host* host) {
  PluginHost jobs_host(host);
  const JobOutcome outcome = kJobs[Job].run(host->params, jobs_host);
  switch (outcome.kind) {
    case JobOutcome::Kind::kOk: return STARGAZER_OK;
    case JobOutcome::Kind::kSkipped: return host->skip(host, outcome.message.c_str());
    case JobOutcome::Kind::kFailed: return host->fail(host, outcome.error.c_str(), outcome.message.c_str());
  }
  return STARGAZER_FAILED;
}

template <std::size_t... Jobs>
std::array<stargazer_job, sizeof...(Jobs)> job_table(std::index_sequence<Jobs...> /*of kJobs*/) {
  return {{{kJobs[Jobs].name, kJobs[Jobs].description, &run<Jobs>}...}};
}

}  // namespace

const stargazer_plugin* stargazer_plugin_entry(void) {
  static const auto table = job_table(std::make_index_sequence<std::tuple_size_v<decltype(kJobs)>>());
  static const stargazer_plugin plugin{STARGAZER_PLUGIN_ABI_VERSION, static_cast<std::uint32_t>(table.size()),
                                       "stargazer-jobs", table.data()};
  return &plugin;
}
