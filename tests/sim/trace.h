// What a run of the simulator leaves behind: its transcript, when somebody wants it, and its verdict.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/supervisor.h"
#include "sim/timeline.h"

namespace stargazer::sim {

// "00:01:30.250": hours, minutes, seconds and milliseconds of true time.
std::string clock_text(TrueTime time);

// An event of the core as a line of a transcript: its name, then the fields that its kind sets.
std::string event_text(const Event& event, const Supervisor& supervisor);

// "signal 9" or "exit 1".
std::string status_text(ExitStatus status);

// 64-bit FNV-1a over the lines of a transcript.
class Digest {
 public:
  void add(std::string_view line);
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

// Hands every line of the transcript to a sink. Without one nothing is even put into words: that is what makes a
// thousand seeds cheap, and a seed that fails is simply run again.
class Trace {
 public:
  using Sink = std::function<void(const std::string& line)>;

  Trace(const Timeline& timeline, Sink sink) : timeline_(timeline), sink_(std::move(sink)) {}

  bool on() const { return sink_ != nullptr; }
  // Writes "time who what". REQUIRES: on().
  void line(std::string_view who, std::string_view what) const;

 private:
  const Timeline& timeline_;
  Sink sink_;
};

// Whether every invariant has held so far. Keeps the first violation: what follows it is its consequence.
class Verdict {
 public:
  explicit Verdict(const Timeline& timeline) : timeline_(timeline) {}

  bool ok() const { return violation_.empty(); }
  const std::string& violation() const { return violation_; }
  void violated(std::string_view who, std::string_view invariant);
  // Overlooks everything from now on.
  void mute() { muted_ = true; }

 private:
  const Timeline& timeline_;
  bool muted_ = false;
  std::string violation_;
};

}  // namespace stargazer::sim
