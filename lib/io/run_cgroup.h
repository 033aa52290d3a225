// The control group of one supervised worker, below a directory of cgroup2 that was delegated to us: cgroups(7) of
// version 2, Documentation/admin-guide/cgroup-v2.rst of the kernel. What is in it can be killed as a whole, in one step
// that no fork can outrun, and a process leaves it only by moving itself on purpose.
//
// It is named after the keeper of the worker, so that whoever finds one can tell whether anybody still looks after it.
#pragma once

#include <string>
#include <sys/types.h>

#include "core/result.h"

namespace stargazer {

class RunCgroup {
 public:
  // Makes nothing yet.
  RunCgroup(const std::string& directory, pid_t keeper);

  // Makes the group, empty. One of the same name, left by a keeper of old that had this pid, is ended first. Fails when
  // the directory is not ours to write, or the kernel is older than 5.14 and cannot kill a group.
  Status make() const;
  // Moves the calling process into it.
  Status enter() const;
  // Sends KILL to everything in it and in the groups that the worker made below it.
  Status kill() const;
  // Removes it, with those below it. False while something in it still dies, or it is not ours.
  bool remove() const;

 private:
  std::string path_;
};

// Ends and removes the groups in `directory` whose keeper does not live any more.
void end_stale_run_cgroups(const std::string& directory);

}  // namespace stargazer
