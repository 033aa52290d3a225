// Descendants that outlived their parent and were given to us, because the daemon is a subreaper (prctl(2),
// PR_SET_CHILD_SUBREAPER): what a worker left behind by double-forking or setsid.
//
// Each is our direct child and unreaped, so its pid cannot be used by anybody else, and signalling it is safe.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <sys/types.h>

namespace stargazer {

// The run that a process belongs to after its environment, or "" when it does not say.
std::string run_id_of(pid_t pid);

class Orphans {
 public:
  // `is_worker` says of a child whether the host still watches it, as a worker or as what is left of one's group;
  // `may_live` says of a run id whether
  // that run is still going on, so that what it forked may be left alone.
  Orphans(std::function<bool(pid_t)> is_worker, std::function<bool(const std::string& run_id)> may_live)
      : is_worker_(std::move(is_worker)), may_live_(std::move(may_live)) {}

  // Makes this process a subreaper. Without it (a kernel that refuses) orphans go to the init process as usual.
  static void adopt_from_now_on();

  // Reaps the dead and kills those whose run is over; one that hides its run id is killed when no run is left
  // (`any_run` false). Answers how many were killed, each counted once. What a killed one leaves behind comes to us
  // with another SIGCHLD.
  std::size_t sweep(bool any_run);

  // Kills and reaps until no child is left but workers. Waits up to a second for each, and gives up at the first that
  // does not die.
  void kill_all();

 private:
  std::function<bool(pid_t)> is_worker_;
  std::function<bool(const std::string&)> may_live_;
  std::set<pid_t> dying_;  // killed, not yet reaped
};

}  // namespace stargazer
