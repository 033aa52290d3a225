// What workers write to their stdout and stderr: read from their pipes in turn, and cut into lines.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include <uv.h>

#include "core/event.h"
#include "io/unique_fd.h"
#include "io/worker_child.h"

namespace stargazer {

enum class OutputStream : std::uint8_t { kStdout, kStderr };
inline constexpr std::array<OutputStream, 2> kOutputStreams{OutputStream::kStdout, OutputStream::kStderr};

// One line that a worker wrote, without its newline. `cut` when it was longer than the limit and the rest is skipped.
struct OutputLine {
  RunId run;
  std::string_view run_id_text;
  std::string_view name;
  OutputStream stream{};
  std::string_view text;
  bool cut = false;
};

class WorkerOutput {
 public:
  // Of what a process writes while it has no run, no more is told: nobody's budget would bound it.
  static constexpr std::size_t kUnaskedBytesMax = 4096;
  // A pipe does not hold more (pipe(7)): a process that goes on to write has not come to an end.
  static constexpr std::size_t kDrainBytesMax = std::size_t{2} << 20;

  struct Callbacks {
    std::function<void(const OutputLine&)> line;
    // True while lines should stay in the worker's pipe for now; asked before each read.
    std::function<bool()> congested;
    // It has written something.
    std::function<void(WorkerChild&)> said;
    // A stream of it has come to its end.
    std::function<void(WorkerChild&)> ended;
    // What was left in its pipes for now may be read again.
    std::function<void(WorkerChild&)> resumed;
  };

  WorkerOutput(uv_loop_t* loop, std::size_t line_bytes_max, Callbacks callbacks);

  // The child must stay where it is until both streams have ended.
  void watch(WorkerChild& child, UniqueFd stdout_read, UniqueFd stderr_read);

  enum class Drained : std::uint8_t {
    kEmpty,     // all that was written has been read, and told: a line that has not ended as well
    kHeldBack,  // the lines must stay where they are; `resumed` will be called
    kEndless,   // it writes on and on
  };
  // Reads all that has been written so far.
  Drained drain(WorkerChild& child);

  // Gives up what is not read yet. Does not call `ended`.
  void give_up(WorkerChild& child);

  // The last call. REQUIRES: every child was given up, or its streams have ended.
  void close();

 private:
  void on_readable(WorkerChild& child, OutputStream stream);
  std::size_t read_some(WorkerChild& child, OutputStream stream);
  void end(WorkerChild& child, OutputStream stream);
  void tell(WorkerChild& child, OutputStream stream, std::string_view text, bool cut);
  void hold_back(WorkerChild& child, OutputStream stream);
  void resume_all();

  // Read at most this much from one worker before the others have their turn.
  static constexpr std::size_t kReadBytesMax = 4096;

  uv_loop_t* loop_;
  std::size_t line_bytes_max_;
  Callbacks callbacks_;
  uv_timer_t congestion_timer_{};
  std::vector<std::pair<WorkerChild*, OutputStream>> held_back_;
  std::array<char, kReadBytesMax> buffer_{};
};

}  // namespace stargazer
