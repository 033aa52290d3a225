// One worker's life: from its start to the moment when nothing of it is left.
//
//   running ──► the worker has ended ──────────┐
//      │                                       ▼
//      ├──────► the fuse has burnt ─────────► ending: what is left is killed and reaped ──► gone
//      └──────► the daemon is gone ────────────┘
//
// This process is the subreaper of its descendants (PR_SET_CHILD_SUBREAPER): whatever loses its parent becomes our
// child, so that "no child is left" says that nothing is. To end: in a control group, all of it is killed at once; in a
// PID namespace, with its init. Then, in every mode, each child is killed, and each that thereby becomes one. Should
// they be forked faster than that, or hang in the kernel, we give up when kPatience is over. If the fuse has burnt,
// with KILL to the whole process group, which no fork outruns; otherwise we end, and the daemon does that and adopts
// the rest.
#pragma once

#include "core/result.h"
#include "keeper/fuse.h"
#include "keeper/launch.h"

namespace stargazer::keeper {

class Keep {
 public:
  // How long all of the worker may take to die before the process group is killed as a whole.
  static constexpr Duration kPatience = std::chrono::seconds(1);

  // REQUIRES: as for launch().
  explicit Keep(const Launch& what) : what_(what) {}

  // Blocks TERM, CHLD and every other signal, arms the fuse, and starts the worker unless the fuse has burnt already.
  Status start(Instant fuse);
  // Waits for an end, then brings it about for everything. Answers the worker's wait status (wait(2)).
  int run();

 private:
  void drop_what_is_the_workers() const;
  // Until something happens, or the time is over.
  void wait(int timeout_ms);
  void read_fuse();
  void read_signals();
  void reap();
  void end_the_rest();
  void kill_children() const;
  void collect_status();
  void tell_of_burning() const;

  Launch what_;
  Fuse fuse_;
  Launched launched_;
  UniqueFd signals_;
  bool daemon_gone_ = false;
  bool burnt_ = false;
  bool ended_ = false;      // the child has: worker or init
  bool childless_ = false;  // nothing is left
  int status_ = 0;
};

// Ends this process as a process with that wait status ended: by the same exit code or signal, without a core file.
[[noreturn]] void end_like(int status);

}  // namespace stargazer::keeper
