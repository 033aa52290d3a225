// What workers say, carried out: the lines of their output, and on their fd 3 lines for the journal, events, counters,
// progress, the result of a run; requests for the lease go on to WorkerRequests. docs/workers.md is the worker's side
// of it.
//
// Strict, but never to the harm of others: what cannot be understood, comes twice or comes after the result is refused,
// counted for its run, and said once; a run's end says how often. A worker that writes without end is read in turn with
// the others, and what it logs or publishes beyond half of the room that there is for all of them is dropped and
// counted, so that the other half stays free for the daemon's own. Of the lines of one run, by either way, only as many
// go to the journal as its budget allows; the others are read, left out and counted.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "core/line_budget.h"
#include "core/seams.h"
#include "io/event_sink.h"
#include "io/log.h"
#include "io/uv_worker_host.h"
#include "io/worker_rpc.h"

namespace stargazer {

class WorkerChannel {
 public:
  // Different names that one run may count.
  static constexpr std::size_t kCountersMax = 64;

  struct Callbacks {
    std::function<void(LogRecord)> log;
    std::function<bool()> log_congested;
    // For the event sink; does nothing without one.
    std::function<void(RunId run, DebugEvent event)> publish;
    std::function<bool()> events_congested;
    std::function<void(Input)> post;
    // Sends a line to a run, if it is still there.
    std::function<void(RunId run, const std::string& line)> answer;
    // The run has a result that is no failure, and its worker could have another run.
    std::function<void(RunId run, KeepOffer offer)> offered;
    // False when there is no such method.
    std::function<bool(RunId run, const RpcRequest& request)> request;
    std::function<std::string(RunId run)> run_id_text;
    std::function<Instant()> now;
  };

  // `budget`: what each run begins with.
  explicit WorkerChannel(Callbacks callbacks, LineBudget budget = LineBudget(0, 0))
      : callbacks_(std::move(callbacks)), budget_(budget) {}

  // A run begins; what it says before is not listened to.
  void started(RunId run, const std::string& name);
  // A worker has written `line`; `cut` when it was too long. `run_request_id` is that of the `run` it was told.
  void take(RunId run, std::string_view line, bool cut, std::uint32_t run_request_id = kRunRequestId);
  // A worker has written a line to its stdout or stderr.
  void output(const OutputLine& line);
  // A run is over: says what was left out, and what it counted.
  void ended(RunId run);

 private:
  struct Speaker {
    std::string name;
    LineBudget budget;
    Instant started_at{};
    bool began = false;  // it has said so
    bool answered = false;
    std::uint64_t refused_count = 0;
    std::uint64_t log_dropped_count = 0;
    std::uint64_t event_dropped_count = 0;
    std::map<std::string, double> counters;
  };

  bool admit(RunId run, Speaker& speaker, std::size_t bytes);
  void tell_left_out(RunId run, const Speaker& speaker, std::uint64_t count);
  void carry_out(RunId run, Speaker& speaker, WorkerSaying saying);
  void log(RunId run, Speaker& speaker, LogNote note);
  void publish(RunId run, Speaker& speaker, EventNote note);
  void count(RunId run, Speaker& speaker, const CounterNote& note);
  void report(RunId run, Speaker& speaker, RunAnswer answer);
  void refuse(RunId run, Speaker& speaker, const RpcRefusal& refusal);
  void say(RunId run, const Speaker& speaker, Priority priority, const std::string& message);

  const Callbacks callbacks_;
  const LineBudget budget_;
  std::map<RunId, Speaker> speakers_;
};

}  // namespace stargazer
