#include "sim/trace.h"

#include <array>
#include <cstdio>

namespace stargazer::sim {

std::string clock_text(TrueTime time) {
  const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(time).count();
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%02lld:%02lld:%02lld.%03lld",
                static_cast<long long>(milliseconds / 3'600'000), static_cast<long long>(milliseconds / 60'000 % 60),
                static_cast<long long>(milliseconds / 1000 % 60), static_cast<long long>(milliseconds % 1000));
  return text.data();
}

std::string event_text(const Event& event, const Supervisor& supervisor) {
  std::string text = name_of(event.kind);
  if (!event.task.empty()) text += " " + event.task;
  if (event.run.number != 0) text += " run=" + supervisor.run_id_text(event.run);
  if (event.kind == EventKind::kRunEnded || event.kind == EventKind::kWorkerEnded) {
    text += std::string(" outcome=") + name_of(event.outcome) + " duration=" + format_duration(event.duration);
  }
  if (event.attempt > 1) text += " attempt=" + std::to_string(event.attempt);
  if (event.epoch != 0) text += " epoch=" + std::to_string(event.epoch);
  if (event.delay != Duration::zero()) text += " delay=" + format_duration(event.delay);
  if (!event.detail.empty()) text += " detail=\"" + event.detail + "\"";
  return text;
}

std::string status_text(ExitStatus status) {
  return status.signal != 0 ? "signal " + std::to_string(status.signal) : "exit " + std::to_string(status.code);
}

void Digest::add(std::string_view line) {
  for (const char character : line) {
    value_ = (value_ ^ static_cast<unsigned char>(character)) * 0x100000001b3ULL;
  }
  value_ = (value_ ^ static_cast<unsigned char>('\n')) * 0x100000001b3ULL;
}

void Trace::line(std::string_view who, std::string_view what) const {
  std::string text = clock_text(timeline_.now());
  text.append(" ").append(who).append(" ").append(what);
  sink_(text);
}

void Verdict::violated(std::string_view who, std::string_view invariant) {
  if (muted_ || !ok()) return;
  violation_ = clock_text(timeline_.now());
  violation_.append(" ").append(who).append(": ").append(invariant);
}

}  // namespace stargazer::sim
