// A real redis-server of a test's own, on a Unix socket in a temporary directory, without a TCP port.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

#include "support/process.h"
#include "support/temporary_directory.h"

namespace stargazer::testing {

class RedisServer {
 public:
  // Starts it with `extra_args` after our own (such as {"--requirepass", "secret"}) and waits until it answers. Throws
  // std::runtime_error, with its log, when it does not.
  explicit RedisServer(std::vector<std::string> extra_args = {});
  // Kills it.
  ~RedisServer() = default;
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  std::string socket_path() const;
  // -1 while it is killed.
  pid_t pid() const { return process_.pid(); }

  // SIGKILL, as a crash: connections break, data is lost. Does nothing when it is not running.
  void kill() { process_.kill(); }
  // Starts it again, empty, on the same socket, and waits until it answers. REQUIRES: killed.
  void start();
  // Stops it with SIGSTOP: the kernel still accepts connections and bytes, nothing answers. REQUIRES: running.
  void pause() const;
  void resume() const;

 private:
  bool answers() const;

  std::vector<std::string> extra_args_;
  TemporaryDirectory directory_;
  Process process_;
};

}  // namespace stargazer::testing
