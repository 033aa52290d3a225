// What the daemon (lib/io/keeper) and stargazer-keeper (daemon/keeper_main.cc) have agreed on.
//
//   stargazer-keeper MODE FUSE PROGRAM ARGV0 [ARGUMENT…]
//
// runs PROGRAM with that argv, until FUSE: an instant of CLOCK_BOOTTIME in nanoseconds. The descriptors 0 to 3 and the
// environment are the worker's; two more are the keeper's own:
//
//   4  to read    each record is an Instant and moves the fuse there; the end of the file means that the daemon is gone
//   5  to write   one line if the worker could not be started; the end of the file without one means that it was
//
// The keeper and the worker share the process group that the keeper leads. A signal to the group reaches the worker,
// and KILL both; the keeper takes no other signal itself, except that it hands TERM on to a worker that has left the
// group. The keeper ends when nothing of the worker is left, and as the worker did: with its exit code or by its
// signal.
#pragma once

#include <cstdint>
#include <string_view>

namespace stargazer {

inline constexpr const char* kKeeperName = "stargazer-keeper";
inline constexpr int kKeeperFuseFd = 4;
inline constexpr int kKeeperReportFd = 5;
inline constexpr std::size_t kKeeperReportBytesMax = 1024;

// Nanoseconds of CLOCK_BOOTTIME. One write is one record: it is far shorter than PIPE_BUF (pipe(7)).
using FuseRecord = std::int64_t;
// The size of that pipe. What does not fit is not written: such a keeper is stopped, and burns.
inline constexpr int kFusePipeBytesMax = 4096;

// The ways to end a worker with all its descendants, the strongest that is allowed being used. As MODE is written:
inline constexpr std::string_view kCgroupModePrefix = "cgroup=";  // … then the directory for the workers' groups
inline constexpr std::string_view kPidNamespaceMode = "pid-namespace";
inline constexpr std::string_view kProcessGroupMode = "process-group";

// `stargazer-keeper limited WORDS -- PROGRAM ARGV0 …` becomes a worker within limits (keeper/limited.h), under a keeper
// or without. Its descriptors 0 to 3 are the worker's; in the second case it has one more:
//
//   4  to write   one line if the worker could not be started; the end of the file without one means that it was
inline constexpr const char* kLimitedMode = "limited";
inline constexpr std::string_view kNicePrefix = "nice=";  // kCgroupModePrefix as well
inline constexpr std::string_view kDataPrefix = "data=";
inline constexpr const char* kLimitsEnd = "--";
inline constexpr int kLimitedReportFd = 4;

// `stargazer-keeper --probe` tries them and prints two lines: the MODE to use, and why it is not a stronger one.
inline constexpr const char* kKeeperProbeOption = "--probe";

}  // namespace stargazer
