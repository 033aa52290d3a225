// Survives the truncation of a journal file that is being read.
//
// libsystemd reads journal files through memory maps; journald before systemd 255 cuts archived files short under them,
// and a disk can fail. Touching what is no longer there is a SIGBUS, whose default is death. The handler puts an empty
// page in its place and sets a flag: libsystemd then finds a corrupt entry, and the reader is to be opened again.
//
// Only for a thread that lives in a SigbusGuard, and only where the kernel says that a page has no backing (BUS_ADRERR)
// in the mapping of a file whose name is that of a journal file. Any other SIGBUS, of another thread, of another
// mapping, sent by kill(), or of broken memory, has the effect that it had before: of the handler that was installed,
// or the death of the process.
#pragma once

namespace stargazer {

// While it lives, the thread that made it survives. Unblocks SIGBUS in the thread. The handler itself is process-wide
// and stays.
class SigbusGuard {
 public:
  // REQUIRES: no other guard lives in this thread.
  SigbusGuard();
  ~SigbusGuard();
  SigbusGuard(const SigbusGuard&) = delete;
  SigbusGuard& operator=(const SigbusGuard&) = delete;
};

// True from the moment in which the calling thread has been saved until take_sigbus(): what was read meanwhile is not
// to be believed.
bool sigbus_pending();

// True once after each time that the calling thread has been saved: open the journal again.
bool take_sigbus();

}  // namespace stargazer
