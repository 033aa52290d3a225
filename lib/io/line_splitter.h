// Cuts a stream of bytes into lines, whatever the size of the pieces in which it arrives.
//
//   stream = { line "\n" } [ line ]
//
// A line that is longer than the limit is delivered cut, once, and the rest of it up to the newline is skipped.
// Carriage returns before the newline are dropped. The last line needs no newline. Memory: one line of the maximal
// length.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace stargazer {

class LineSplitter {
 public:
  // `text` is good only during the call.
  using LineCallback = std::function<void(std::string_view text, bool cut)>;

  // REQUIRES: line_bytes_max > 0.
  LineSplitter(std::size_t line_bytes_max, LineCallback on_line)
      : line_bytes_max_(line_bytes_max), on_line_(std::move(on_line)) {}

  void feed(std::string_view bytes);
  // The stream has ended: delivers what is left.
  void finish();
  // Whether a line has begun and not ended.
  bool in_line() const { return !line_.empty() || cut_; }

 private:
  void take(std::string_view part);
  void deliver();

  std::size_t line_bytes_max_;
  LineCallback on_line_;
  std::string line_;  // the unfinished line so far
  bool cut_ = false;  // … has been cut, the rest is skipped
};

}  // namespace stargazer
