// Descendants that outlived their parent and were given to us, because the daemon is a subreaper (prctl(2),
// PR_SET_CHILD_SUBREAPER): what a worker left behind by double-forking or setsid.
//
// Each is our direct child and unreaped, so its pid cannot be used by anybody else, and signalling it is safe.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

#include "io/unique_fd.h"

namespace stargazer {

// The run that a process belongs to after its environment, or "" when it does not say.
std::string run_id_of(pid_t pid);

class Orphans {
 public:
  // Of each run that is going on its id, and whether the orphans of it come to us: a keeper adopts those of its worker.
  using GoingOn = std::map<std::string, bool>;

  // `is_worker` says of a child whether the host still watches it, as a worker or as what is left of one's group;
  // the orphans of the runs that `going_on` answers are left alone.
  Orphans(std::function<bool(pid_t)> is_worker, std::function<GoingOn()> going_on)
      : is_worker_(std::move(is_worker)), going_on_(std::move(going_on)) {
    open_list();
  }

  // Makes this process a subreaper. Without it (a kernel that refuses) orphans go to the init process as usual.
  static void adopt_from_now_on();

  // Reaps the dead and kills those whose run is over; one that hides its run id when every run is over that it may be
  // of: those that were going on when it was first seen. Answers how many were killed, each counted once. What a killed
  // one leaves behind comes to us with another SIGCHLD.
  std::size_t sweep();

  // Kills and reaps until no child is left but workers. Waits up to a second for each, and gives up at the first that
  // does not die.
  void kill_all();

 private:
  void open_list();
  std::vector<pid_t> children();
  bool may_live(pid_t pid, const GoingOn& going_on);

  std::function<bool(pid_t)> is_worker_;
  std::function<GoingOn()> going_on_;
  UniqueFd list_;          // of our children; kept open, as it is read at the end of every run
  std::set<pid_t> dying_;  // killed, not yet reaped
  std::map<pid_t, std::set<std::string>> may_be_of_;  // of those that hide it: their run is one of these
};

}  // namespace stargazer
