// How the keeper starts its worker, in each of its modes.
//
// The worker gets what its own start by the daemon would have given it: no signal blocked or ignored, the descriptors 0
// to 3, the keeper's process group. It dies when the keeper dies (PR_SET_PDEATHSIG, which the exec of a set-user-id
// program clears).
//
// Beside it runs a guard, a second child of the keeper, which kills the worker's control group, where there is one, and
// the process group when the keeper dies: the death signal would reach the worker alone. A PID namespace needs none.
//
// In a PID namespace stands an init between the two: process 1 of the namespace, whose end the kernel makes the end of
// everything in it. So the worker itself is not process 1, for which TERM would be ignored unless handled. The worker
// sees a /proc of its namespace, and is otherwise in the namespaces of the daemon; its mounts go where they would have.
#pragma once

#include <string>
#include <sys/types.h>

#include "core/result.h"
#include "io/run_cgroup.h"
#include "io/unique_fd.h"

namespace stargazer::keeper {

enum class Mode { kCgroup, kPidNamespace, kProcessGroup };

// REQUIRES of all below: this process has one thread, and all its signals are blocked.
struct Launch {
  Mode mode = Mode::kProcessGroup;
  const RunCgroup* cgroup = nullptr;  // of kCgroup: made, and empty
  const char* program = nullptr;
  char** argv = nullptr;  // ends with a null pointer
};

struct Launched {
  pid_t child = 0;  // ours: the worker, or the init of its namespace
  // Of kPidNamespace: the wait status of the worker, once, before the init ends by itself.
  UniqueFd status_read;
};

// Returns as soon as the process is there. What keeps the program from being executed is told later, as one line on
// kKeeperReportFd by the child, which then exits with kNotStartedCode. Fails when there can be no process.
Result<Launched> launch(const Launch& what);

inline constexpr int kNotStartedCode = 127;

// Writes why the worker was not started to kKeeperReportFd.
void report(const Error& error);

// Sends TERM to a worker that is in another process group than this process, whom a TERM to the group did not reach.
void pass_term_on(pid_t worker);

// Makes this process, just forked, the init of a new PID namespace: it dies with its parent, whose pidfd is `keeper`,
// and has a /proc that is its own. REQUIRES: the parent had called unshare(CLONE_NEWPID), and this is its first child
// since.
Status become_init(int keeper);

}  // namespace stargazer::keeper
