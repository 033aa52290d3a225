#include "support/journald.h"

#include <array>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace stargazer::testing {
namespace {

constexpr const char* kJournald = "/lib/systemd/systemd-journald";
constexpr int kPatienceSeconds = 30;

sockaddr_un address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.string().size() >= sizeof address.sun_path) throw std::runtime_error("path too long: " + path.string());
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

// A datagram socket that is closed with it.
class Socket {
 public:
  Socket() : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const timeval timeout{kPatienceSeconds, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  }
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

std::vector<std::string> namespaces() {
  if (geteuid() == 0) return {"--mount"};
  return {"--mount", "--user"};
}

std::vector<std::string> unshared(const std::vector<std::string>& argv) {
  std::vector<std::string> all = {"unshare"};
  for (const std::string& option : namespaces()) all.push_back(option);
  if (geteuid() != 0) all.emplace_back("--map-root-user");
  all.insert(all.end(), argv.begin(), argv.end());
  return all;
}

void wait_until_ready(const Socket& notify) {
  for (;;) {
    std::array<char, 4096> text{};
    const ssize_t count = recv(notify.fd(), text.data(), text.size(), 0);
    if (count < 0) throw std::runtime_error("systemd-journald did not become ready");
    if (std::string(text.data(), static_cast<std::size_t>(count)).find("READY=1") != std::string::npos) return;
  }
}

}  // namespace

Journald::Journald(const std::vector<std::string>& settings) {
  const auto run_path = root_.path() / "run";
  std::filesystem::create_directories(run_path / "systemd/journal");
  std::filesystem::create_directories(run_path / "systemd/journald.conf.d");
  std::filesystem::create_directories(directory());
  // With it journald writes to /var from the beginning.
  std::ofstream(run_path / "systemd/journal/flushed").close();
  std::ofstream config(run_path / "systemd/journald.conf.d/test.conf");
  config << "[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\nReadKMsg=no\nAudit=no\nSystemKeepFree=1M\n";
  for (const std::string& setting : settings) config << setting << "\n";
  config.close();

  const Socket notify;
  const sockaddr_un address = address_of(run_path / "notify");
  if (bind(notify.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("bind " + std::string(address.sun_path) + ": " + std::strerror(errno));
  }
  const std::string root = root_.path().string();
  const std::string script = "mount --bind " + root + "/run /run && mount --bind " + root +
                             "/log /var/log && NOTIFY_SOCKET=/run/notify exec " + kJournald;
  process_ = Process(unshared({"sh", "-c", script}), root_.path() / "journald.log");
  wait_until_ready(notify);
}

bool Journald::possible() {
  if (!std::filesystem::exists(kJournald) || !std::filesystem::exists("/etc/machine-id")) return false;
  try {
    run(unshared({"mount", "--bind", "/tmp", "/var/log"}));
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

std::vector<std::string> Journald::inside(const std::vector<std::string>& argv) const {
  std::vector<std::string> all = {"nsenter", "--target", std::to_string(process_.pid())};
  for (const std::string& option : namespaces()) all.push_back(option);
  if (geteuid() != 0) all.emplace_back("--preserve-credentials");
  all.insert(all.end(), argv.begin(), argv.end());
  return all;
}

void Journald::send(const std::string& unit, const std::vector<std::string>& messages) const {
  const Socket socket;
  const sockaddr_un address = address_of(root_.path() / "run/systemd/journal/socket");
  for (const std::string& message : messages) {
    const std::string entry = "MESSAGE=" + message + "\nOBJECT_SYSTEMD_UNIT=" + unit + "\n";
    if (sendto(socket.fd(), entry.data(), entry.size(), 0, reinterpret_cast<const sockaddr*>(&address),
               sizeof address) < 0) {
      throw std::runtime_error(std::string("send to journald: ") + std::strerror(errno));
    }
  }
  run(inside({"journalctl", "--sync"}));
}

void Journald::rotate() const {
  run(inside({"journalctl", "--rotate"}));
}

void Journald::vacuum(int files) const {
  // The file that is written to counts as one.
  run({"journalctl", "--directory=" + directory().string(), "--vacuum-files=" + std::to_string(files + 1)});
}

}  // namespace stargazer::testing
