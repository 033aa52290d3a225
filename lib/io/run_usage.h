// How much a run uses, for limits that the kernel does not enforce: found by walking over its processes in /proc.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <sys/types.h>

namespace stargazer {

struct RunUsage {
  std::uint64_t processes = 0;      // with their threads
  std::uint64_t process_count = 0;  // without
  std::uint64_t memory_bytes = 0;   // resident; what processes share counts for each of them
};

// What descends from `leader`, and those of this process's own children that belong to the run: by the process group
// of the leader, or by STARGAZER_RUN_ID for one that has left it. The processes of stargazer-keeper itself do not
// count. Stops once more than `processes_enough` have been found, so that a run that forks without end costs no more
// than that.
// `is_other` may save looking into those children that are known to be something else.
RunUsage usage_of(pid_t leader, const std::string& run_id_text, std::uint64_t processes_enough,
                  const std::function<bool(pid_t)>& is_other = nullptr);

}  // namespace stargazer
