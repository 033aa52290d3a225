#include "feed/sigbus.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

namespace stargazer {
namespace {

thread_local volatile sig_atomic_t guarded = 0;
thread_local volatile sig_atomic_t saved = 0;

// Written once, before the handler can run.
struct sigaction before {};
std::size_t page_bytes = 0;

bool put_empty_page(void* address) {
  const auto page = reinterpret_cast<std::uintptr_t>(address) & ~(page_bytes - 1);
  void* const wanted = reinterpret_cast<void*>(page);
  // Writable as well: libsystemd maps files for reading alone, and nothing is ever written there.
  return mmap(wanted, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == wanted;
}

void pass_on(int number, siginfo_t* info, void* context) {
  if ((before.sa_flags & SA_SIGINFO) != 0) return before.sa_sigaction(number, info, context);
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(number);
  // The access is repeated when the handler returns, and so the process dies as it would have. One that was sent has to
  // be sent again.
  struct sigaction standard {};
  standard.sa_handler = before.sa_handler;
  sigaction(number, &standard, nullptr);
  if (info->si_code <= 0) raise(number);
}

void on_sigbus(int number, siginfo_t* info, void* context) {
  const int error = errno;
  const bool lost_page = guarded != 0 && info->si_code == BUS_ADRERR;
  if (lost_page && put_empty_page(info->si_addr)) {
    saved = 1;
  } else {
    pass_on(number, info, context);
  }
  errno = error;
}

void install() {
  page_bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  sigaction(SIGBUS, nullptr, &before);
  struct sigaction ours {};
  ours.sa_sigaction = on_sigbus;
  ours.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &ours, nullptr);
}

}  // namespace

SigbusGuard::SigbusGuard() {
  static std::once_flag once;
  std::call_once(once, install);
  // Accessed before a signal can come: the first access of a thread may allocate.
  saved = 0;
  guarded = 1;
  // The kernel kills a thread that blocks the signal of its own fault.
  sigset_t sigbus;
  sigemptyset(&sigbus);
  sigaddset(&sigbus, SIGBUS);
  pthread_sigmask(SIG_UNBLOCK, &sigbus, nullptr);
}

SigbusGuard::~SigbusGuard() {
  guarded = 0;
}

bool sigbus_pending() {
  return saved != 0;
}

bool take_sigbus() {
  const bool taken = saved != 0;
  saved = 0;
  return taken;
}

}  // namespace stargazer
