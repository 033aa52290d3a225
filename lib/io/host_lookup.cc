#include "io/host_lookup.h"

#include <atomic>
#include <cstdint>
#include <sys/eventfd.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace stargazer {

struct HostLookup::State {
  State() : done_fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~State() {
    if (addresses != nullptr) freeaddrinfo(addresses);
    if (done_fd != -1) close(done_fd);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void resolve(const std::string& host, const std::string& port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
    error = getaddrinfo(host.c_str(), port.c_str(), &hints, &addresses);
    done.store(true, std::memory_order_release);
    const std::uint64_t one = 1;
    // Cannot fail: the counter goes from 0 to 1.
    [[maybe_unused]] const ssize_t written = write(done_fd, &one, sizeof one);
  }

  const int done_fd;
  // Written by the thread, then `done`; read by the owner after it has seen `done`.
  int error = 0;
  addrinfo* addresses = nullptr;
  std::atomic<bool> done{false};
};

HostLookup::HostLookup(const std::string& host, int port) : state_(std::make_shared<State>()) {
  if (state_->done_fd == -1) return;
  try {
    std::thread([state = state_, host, port] { state->resolve(host, std::to_string(port)); }).detach();
  } catch (const std::system_error&) {
    state_->error = EAI_SYSTEM;
    state_->done.store(true, std::memory_order_release);
  }
}

int HostLookup::fd() const {
  return state_->done_fd;
}

Result<const addrinfo*> HostLookup::addresses() const {
  if (state_->done_fd == -1) return Error("lookup: no file descriptor left");
  if (!state_->done.load(std::memory_order_acquire)) return nullptr;
  if (state_->error != 0) return Error(std::string("lookup: ") + gai_strerror(state_->error));
  return state_->addresses;
}

}  // namespace stargazer
