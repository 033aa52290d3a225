// Starts one process for a worker: the fork and exec side of lib/io/uv_worker_host.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

#include "core/config.h"
#include "core/result.h"
#include "io/unique_fd.h"

namespace stargazer {

// A started process and our ends of what connects us. All descriptors are close-on-exec and non-blocking.
struct SpawnedProcess {
  pid_t pid = 0;   // also the number of its process group
  UniqueFd pidfd;  // readable when the process has exited, see pidfd_open(2)
  UniqueFd stdout_read;
  UniqueFd stderr_read;
  UniqueFd channel;  // its fd 3
};

// Starts argv in a new process group with default signal handling, an empty signal mask, stdin from /dev/null and no
// descriptor of ours but 0 to 3 and those of `more`, which become its 4, 5 and so on and are closed here. argv[0]
// without a slash is looked up in PATH. `environment` is complete.
// Fails, with nothing left behind, when the program cannot be executed, the working directory cannot be entered, or
// descriptors or processes run out. REQUIRES: argv is not empty; descriptors 0 to 2 of this process are open.
Result<SpawnedProcess> spawn_process(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                                     const std::string& working_directory, std::vector<UniqueFd> more = {});

// The daemon's own environment without what systemd meant for the daemon alone (NOTIFY_SOCKET, WATCHDOG_*, LISTEN_*,
// CREDENTIALS_DIRECTORY, JOURNAL_STREAM), without STARGAZER_*, and with `added`, which wins.
std::vector<std::string> worker_environment(const Environment& added);

}  // namespace stargazer
