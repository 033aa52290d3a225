// The control group of one run, below a directory of cgroup2 that was delegated to us: cgroups(7) of version 2,
// Documentation/admin-guide/cgroup-v2.rst of the kernel. What is in it can be killed as a whole, in one step that no
// fork can outrun, and a process leaves it only by moving itself on purpose.
//
// It is named after who looks after it, the keeper of a worker of the lease or the daemon of a run with limits, so that
// whoever finds one can tell whether anybody still does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "core/result.h"

namespace stargazer {

// Writes to a file of the kernel's in one call.
Status write_file(const std::string& path, std::string_view text);

class RunCgroup {
 public:
  // That of a keeper's worker. Makes nothing yet, like the others.
  RunCgroup(const std::string& directory, pid_t keeper);
  // That of a daemon's run.
  RunCgroup(const std::string& directory, pid_t daemon, std::uint64_t run);
  // That which is there.
  explicit RunCgroup(std::string path) : path_(std::move(path)) {}

  // Makes the group, empty. One of the same name, left by one of old that had this pid, is ended first. Fails when
  // the directory is not ours to write, or the kernel is older than 5.14 and cannot kill a group.
  Status make() const;
  // Moves the calling process into it.
  Status enter() const;
  // Sends KILL to everything in it and in the groups that the worker made below it.
  Status kill() const;
  // Removes it, with those below it. False while something in it still dies, or it is not ours.
  bool remove() const;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Ends and removes the groups in `directory` whose keeper or daemon does not live any more.
void end_stale_run_cgroups(const std::string& directory);

}  // namespace stargazer
