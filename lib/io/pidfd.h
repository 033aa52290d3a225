// pidfd_open(2). By its number, because glibc 2.36's declaration lacks the extern "C" that C++ needs.
#pragma once

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace stargazer {

// A descriptor, close-on-exec, that is readable when the process has exited; -1 and errno on failure.
inline int open_pidfd(pid_t pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

}  // namespace stargazer
