#include "daemon/worker_channel.h"

#include <array>
#include <cstdio>
#include <utility>

#include "io/event_log.h"

namespace stargazer {
namespace {

std::string number_text(double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.10g", number);
  return text.data();
}

std::size_t bytes_of(const LogNote& note) {
  std::size_t bytes = note.message.size();
  for (const auto& [name, value] : note.fields) bytes += name.size() + value.size();
  return bytes;
}

RpcRefusal refusal_of(const RpcRequest& request, RpcError code, const std::string& why) {
  return {why, request.id.empty() ? "" : rpc_error(request.id, code, why)};
}

}  // namespace

void WorkerChannel::started(RunId run, const std::string& name) {
  Speaker speaker{.name = name, .budget = budget_, .started_at = callbacks_.now(), .counters = {}};
  speakers_.insert_or_assign(run, std::move(speaker));
}

void WorkerChannel::output(const OutputLine& line) {
  const auto place = speakers_.find(line.run);
  if (place == speakers_.end() || admit(line.run, place->second, line.text.size())) callbacks_.log(log_record(line));
}

// Whether the run may have one more line, of so many bytes, in the journal.
bool WorkerChannel::admit(RunId run, Speaker& speaker, std::size_t bytes) {
  const LineBudget::Verdict verdict = speaker.budget.take(callbacks_.now(), bytes);
  tell_left_out(run, speaker, verdict.left_out);
  return verdict.shown;
}

// The mark stands where the lines would have been.
void WorkerChannel::tell_left_out(RunId run, const Speaker& speaker, std::uint64_t count) {
  if (count == 0) return;
  LogRecord record{Priority::kWarning, "[" + std::to_string(count) + " lines left out: too many in a short time]", {}};
  record.fields = {
      {"TASK", speaker.name}, {"RUN_ID", callbacks_.run_id_text(run)}, {"LEFT_OUT", std::to_string(count)}};
  callbacks_.log(std::move(record));
}

void WorkerChannel::take(RunId run, std::string_view line, bool cut, std::uint32_t run_request_id) {
  const auto place = speakers_.find(run);
  if (place == speakers_.end()) return;
  if (cut) {
    const std::string why = "this line is too long";
    return refuse(run, place->second, {why, rpc_error("", RpcError::kInvalidRequest, why)});
  }
  carry_out(run, place->second, parse_rpc(line, run_request_id));
}

void WorkerChannel::carry_out(RunId run, Speaker& speaker, WorkerSaying saying) {
  if (const auto* refusal = std::get_if<RpcRefusal>(&saying)) return refuse(run, speaker, *refusal);
  if (speaker.answered) {
    const auto* request = std::get_if<RpcRequest>(&saying);
    const std::string why =
        std::holds_alternative<RunAnswer>(saying) ? "a second result of run" : "it came after the result of run";
    return refuse(run, speaker,
                  request == nullptr ? RpcRefusal{why, ""} : refusal_of(*request, RpcError::kInvalidRequest, why));
  }
  if (auto* note = std::get_if<LogNote>(&saying)) return log(run, speaker, std::move(*note));
  if (auto* note = std::get_if<EventNote>(&saying)) return publish(run, speaker, std::move(*note));
  if (auto* note = std::get_if<CounterNote>(&saying)) return count(run, speaker, *note);
  if (std::holds_alternative<StartedNote>(saying)) {
    speaker.began = true;
    return;
  }
  if (auto* answer = std::get_if<RunAnswer>(&saying)) return report(run, speaker, std::move(*answer));
  if (auto* note = std::get_if<ProgressNote>(&saying)) {
    return callbacks_.post(ProgressReported{run, note->done, note->total, std::move(note->message)});
  }
  const auto& request = std::get<RpcRequest>(saying);
  if (callbacks_.request(run, request)) return;
  refuse(run, speaker,
         refusal_of(request, RpcError::kMethodNotFound,
                    "there are the methods log, event, counter, progress, started, lease.verify and lease.write"));
}

void WorkerChannel::log(RunId run, Speaker& speaker, LogNote note) {
  if (!admit(run, speaker, bytes_of(note))) return;
  if (callbacks_.log_congested()) {
    if (speaker.log_dropped_count++ == 0)
      say(run, speaker, Priority::kWarning, "writes more to the journal than it takes; lines are being dropped");
    return;
  }
  LogRecord record{note.priority, std::move(note.message), std::move(note.fields)};
  record.fields.emplace_back("TASK", speaker.name);
  record.fields.emplace_back("RUN_ID", callbacks_.run_id_text(run));
  record.fields.emplace_back("STREAM", "log");
  callbacks_.log(std::move(record));
}

void WorkerChannel::publish(RunId run, Speaker& speaker, EventNote note) {
  if (callbacks_.events_congested()) {
    if (speaker.event_dropped_count++ == 0)
      say(run, speaker, Priority::kWarning, "publishes more events than Redis takes; events are being dropped");
    return;
  }
  DebugEvent event;
  event.event_type = std::move(note.event_type);
  event.source = note.source.empty() ? speaker.name : std::move(note.source);
  event.phase = std::move(note.phase);
  event.status = std::move(note.status);
  event.preview = std::move(note.preview);
  event.payload = std::move(note.payload);
  event.duration_ms =
      note.duration_ms < 0 ? to_seconds(callbacks_.now() - speaker.started_at) * 1000 : note.duration_ms;
  callbacks_.publish(run, std::move(event));
}

void WorkerChannel::count(RunId run, Speaker& speaker, const CounterNote& note) {
  if (speaker.counters.size() == kCountersMax && !speaker.counters.contains(note.name)) {
    return refuse(run, speaker, {"counter: more than " + std::to_string(kCountersMax) + " names", ""});
  }
  speaker.counters[note.name] += note.value;
}

void WorkerChannel::report(RunId run, Speaker& speaker, RunAnswer answer) {
  speaker.answered = true;
  callbacks_.post(RunReported{run, answer.outcome, std::move(answer.message), std::move(answer.error)});
  if (answer.keep)
    callbacks_.offered(run, {answer.outcome == Outcome::kSkipped, speaker.began, speaker.refused_count > 0});
}

void WorkerChannel::refuse(RunId run, Speaker& speaker, const RpcRefusal& refusal) {
  if (!refusal.answer.empty()) callbacks_.answer(run, refusal.answer);
  if (speaker.refused_count++ > 0) return;
  if (!speaker.answered) callbacks_.post(SayingRefused{run, refusal.why});
  say(run, speaker, Priority::kWarning, "what it wrote to its fd 3 was refused: " + refusal.why);
}

void WorkerChannel::ended(RunId run) {
  const auto place = speakers_.find(run);
  if (place == speakers_.end()) return;
  Speaker speaker = std::move(place->second);
  speakers_.erase(place);
  tell_left_out(run, speaker, speaker.budget.take_left_out());
  const auto say_count = [&](std::uint64_t number, std::uint64_t silent_up_to, const char* what) {
    if (number > silent_up_to) say(run, speaker, Priority::kWarning, std::to_string(number) + what);
  };
  say_count(speaker.refused_count, 1, " of the lines that it wrote to its fd 3 were refused");
  say_count(speaker.log_dropped_count, 0, " of its lines for the journal were dropped");
  say_count(speaker.event_dropped_count, 0, " of its events were dropped");
  std::string counted;
  for (const auto& [name, value] : speaker.counters) {
    counted += (counted.empty() ? "" : ", ") + name + "=" + number_text(value);
  }
  if (!counted.empty()) say(run, speaker, Priority::kInfo, "counted " + counted);
}

void WorkerChannel::say(RunId run, const Speaker& speaker, Priority priority, const std::string& message) {
  callbacks_.log(
      {priority, speaker.name + ": " + message, {{"TASK", speaker.name}, {"RUN_ID", callbacks_.run_id_text(run)}}});
}

}  // namespace stargazer
