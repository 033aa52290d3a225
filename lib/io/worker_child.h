// One process that the worker host has started, from its start until nothing of it is left and all that it wrote has
// been read. It has one run, or, when it is kept (core/warm_pool.h), one after the other.
#pragma once

#include <array>
#include <csignal>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <unistd.h>

#include "core/seams.h"
#include "core/warm_rules.h"
#include "io/line_splitter.h"
#include "io/watch.h"

namespace stargazer {

// What a worker says with its result when it could have another run.
struct KeepOffer {
  bool skipped = false;
  bool announced = false;  // it has said `started`
  bool refused = false;    // something that it said was refused
};

struct WorkerChild {
  enum class Stage : std::uint8_t {
    kBusy,     // it has a run
    kIdle,     // its run is over and told; it waits for the next one
    kLeaving,  // its run is over and told; it is to end
  };

  std::uint64_t number = 0;  // names the process; never used again
  Stage stage = Stage::kBusy;
  RunId run;  // its run, or the last one that it had
  std::string run_id_text;
  std::string name;
  bool native = false;

  RunId started_for;             // the first run: under it stand its limits
  std::string started_for_text;  // … and in its environment, and in those of its children
  pid_t pid = 0;
  Watch* exit_watch = nullptr;
  Watch* channel_watch = nullptr;
  std::array<Watch*, 2> output_watch{};  // by OutputStream
  std::array<std::unique_ptr<LineSplitter>, 2> lines;
  std::unique_ptr<LineSplitter> requests;  // what it writes to its fd 3
  std::uint64_t sayings_window = 0;        // likewise: the number of the current window of io/worker_pace.h,
  std::uint64_t sayings = 0;               // and how much it has said in it
  bool deaf = false;                       // does not read its fd 3, and is sent nothing more
  bool kept = false;                       // by a keeper, which adopts what it leaves behind
  bool leader_exited = false;              // reaped; what is left of its group has been killed
  bool group_gone = false;                 // so has been what was left of its group
  ExitStatus status;
  std::string limit;              // that it reached
  std::size_t unasked_bytes = 0;  // that it wrote to its output without having a run

  // ---- Of a process that may be kept ----
  std::optional<WarmRules> warm;
  std::string warm_key;
  std::uint64_t epoch = 0;
  std::uint32_t run_count = 1;     // so many has it been given; also the id of its last `run`
  bool stop_asked = false;         // of this run
  std::optional<KeepOffer> offer;  // of this run
  bool said_more = false;          // after the offer
  // Of a run that a kept process was given, until it has said anything: by it the run can be started again elsewhere.
  std::optional<SpawnRequest> not_begun;
  std::string not_begun_params;

  bool channel_closed() const {
    return channel_watch == nullptr && output_watch[0] == nullptr && output_watch[1] == nullptr;
  }
  bool busy() const { return stage == Stage::kBusy; }
  bool over() const { return group_gone && channel_closed(); }
};

// Writes a line to its fd 3; false when it was not sent as a whole. One that does not fit into the socket is for a
// worker that does not read: it is told by the end of its fd 3, for after half a line nothing more could be understood.
bool send_line(WorkerChild& child, const std::string& line);

// To all of the group that `leader` leads, and to itself: a worker may have moved to another group of our session.
// REQUIRES: it is not reaped.
inline void signal_to(pid_t leader, int number) {
  kill(-leader, number);
  if (getpgid(leader) != leader) kill(leader, number);
}

// What waitid(2) has found.
inline ExitStatus exit_status_of(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return {.code = info.si_status, .signal = 0};
  return {.code = 0, .signal = info.si_status};
}

}  // namespace stargazer
