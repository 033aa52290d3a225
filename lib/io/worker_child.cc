#include "io/worker_child.h"

#include <sys/socket.h>

namespace stargazer {

bool send_line(WorkerChild& child, const std::string& line) {
  if (child.channel_watch == nullptr || child.deaf) return false;
  const int channel = child.channel_watch->fd();
  const std::string text = line + "\n";
  const ssize_t sent = send(channel, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent == static_cast<ssize_t>(text.size())) return true;
  child.deaf = true;
  shutdown(channel, SHUT_WR);
  return false;
}

}  // namespace stargazer
