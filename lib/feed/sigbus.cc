#include "feed/sigbus.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <mutex>
#include <signal.h>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

namespace stargazer {
namespace {

thread_local volatile sig_atomic_t guarded = 0;
thread_local volatile sig_atomic_t saved = 0;

// Written once, before the handler can run.
struct sigaction before {};
std::size_t page_bytes = 0;

// The lines of /proc/self/maps, read with what a signal handler may call.
class Maps {
 public:
  Maps() : fd_(open("/proc/self/maps", O_RDONLY | O_CLOEXEC)) {}
  ~Maps() {
    if (fd_ != -1) close(fd_);
  }
  Maps(const Maps&) = delete;
  Maps& operator=(const Maps&) = delete;

  // The next line, without its end; of one that is too long, the last part. False when there is none.
  bool next(std::string_view& line) {
    for (;;) {
      const auto* const begin = buffer_.data();
      const auto* const end = std::find(begin + taken_, begin + filled_, '\n');
      if (end != begin + filled_) {
        line = {begin + taken_, static_cast<std::size_t>(end - begin) - taken_};
        taken_ = static_cast<std::size_t>(end - begin) + 1;
        return true;
      }
      if (!fill()) return false;
    }
  }

 private:
  bool fill() {
    if (taken_ == 0 && filled_ == buffer_.size()) taken_ = filled_;
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(taken_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(filled_), buffer_.begin());
    filled_ -= taken_;
    taken_ = 0;
    const ssize_t count = read(fd_, buffer_.data() + filled_, buffer_.size() - filled_);
    if (count <= 0) return false;
    filled_ += static_cast<std::size_t>(count);
    return true;
  }

  int fd_;
  std::size_t taken_ = 0;
  std::size_t filled_ = 0;
  std::array<char, 8192> buffer_{};
};

// "begin-end …": whether `address` is within.
bool covers(std::string_view line, std::uintptr_t address) {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  const char* const last = line.data() + line.size();
  const auto first = std::from_chars(line.data(), last, begin, 16);
  if (first.ptr == last || *first.ptr != '-') return false;
  std::from_chars(first.ptr + 1, last, end, 16);
  return begin <= address && address < end;
}

// journald's names, also after it has deleted the file.
bool is_journal(std::string_view line) {
  constexpr std::string_view kDeleted = " (deleted)";
  if (line.ends_with(kDeleted)) line.remove_suffix(kDeleted.size());
  return line.ends_with(".journal") || line.ends_with(".journal~");
}

bool is_in_journal(const void* lost) {
  const auto address = reinterpret_cast<std::uintptr_t>(lost);
  Maps maps;
  std::string_view line;
  while (maps.next(line)) {
    if (covers(line, address)) return is_journal(line);
  }
  return false;
}

bool put_empty_page(void* address) {
  void* const page = static_cast<char*>(address) - reinterpret_cast<std::uintptr_t>(address) % page_bytes;
  return mmap(page, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page;
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
  const bool lost_page = guarded != 0 && info->si_code == BUS_ADRERR && is_in_journal(info->si_addr);
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
