// A job in C++: what it is given, what it can say and ask while it works, and how it ends. The scheduler reaches it
// through the plugin stargazer-jobs (jobs/plugin.cc); the jobs themselves know nothing of plugins, so tests can play
// the host.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/result.h"

namespace stargazer::jobs {

enum class LogLevel : std::uint8_t { kError, kWarning, kInfo, kDebug };

// For Stargazer's observers. A text that is empty is not given.
struct JobEvent {
  std::string event_type;
  std::string source;
  std::string status;
  std::string preview;
  std::string payload = "{}";  // JSON
};

// The scheduler, as a job sees it. What is said may be dropped and counted there; a job does not learn of it.
class JobHost {
 public:
  virtual ~JobHost() = default;

  virtual void log(LogLevel level, const std::string& message) = 0;
  virtual void event(const JobEvent& event) = 0;
  // Adds to a sum that is told at the end of the run. REQUIRES: the name is of A-Z a-z 0-9 _ . -
  virtual void count(const std::string& name, double value) = 0;
  virtual void progress(double done, double total, const std::string& message) = 0;

  // Whether the lease's term holds in whose name the run works. To be asked before each act that cannot be undone; on a
  // failure, which says why, the job must not act. May wait for as long as the scheduler does not answer.
  virtual Status verify_lease() = 0;
  // Whether the run is to end. Never goes back, costs nothing.
  virtual bool stop_requested() const = 0;
  // Readable from then on, for poll. -1 = there is none.
  virtual int stop_fd() const = 0;
};

// How a run ended.
struct JobOutcome {
  enum class Kind : std::uint8_t { kOk, kSkipped, kFailed };
  Kind kind = Kind::kOk;
  std::string error;    // of kFailed: the kind of the error, such as "RedisError"
  std::string message;  // for a person; "" of kOk

  static JobOutcome ok() { return {}; }
  static JobOutcome skipped(std::string why) { return {Kind::kSkipped, "", std::move(why)}; }
  static JobOutcome failed(std::string error, std::string message) {
    return {Kind::kFailed, std::move(error), std::move(message)};
  }
};

// The end of a run that came before its work was done; nothing: go on.
using EarlyEnd = std::optional<JobOutcome>;

// The kinds of error of a JobOutcome.
inline constexpr const char* kSettingsError = "SettingsError";  // the configuration is wrong; nothing was done
inline constexpr const char* kRedisError = "RedisError";
inline constexpr const char* kGraphError = "GraphError";
inline constexpr const char* kModelError = "ModelError";  // of the language model
inline constexpr const char* kLeaseError = "LeaseError";  // the term does not hold; nothing was changed since
inline constexpr const char* kStopped = "Stopped";        // by request, between two steps

// Before each destructive step: ends the run when it is to stop or its term does not hold.
inline EarlyEnd before_change(JobHost& host) {
  if (host.stop_requested()) return JobOutcome::failed(kStopped, "stopped by request");
  if (const Status held = host.verify_lease(); !held) return JobOutcome::failed(kLeaseError, held.error().message());
  return std::nullopt;
}

// Runs one job to its end. `params` is what the scheduler's `run` says (docs/workers.md), JSON of any content.
using JobFunction = JobOutcome (*)(std::string_view params, JobHost& host);

}  // namespace stargazer::jobs
