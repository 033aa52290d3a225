#include "support/redis_server.h"

#include <chrono>
#include <fstream>
#include <memory>
#include <poll.h>
#include <signal.h>
#include <sstream>
#include <stdexcept>
#include <sys/time.h>
#include <utility>

#include <hiredis/hiredis.h>

namespace stargazer::testing {
namespace {

constexpr std::chrono::seconds kStartMax{20};

}  // namespace

RedisServer::RedisServer(std::vector<std::string> extra_args) : extra_args_(std::move(extra_args)) {
  start();
}

std::string RedisServer::socket_path() const {
  return (directory_.path() / "redis.sock").string();
}

void RedisServer::start() {
  std::vector<std::string> argv = {
      "redis-server", "--port", "0", "--unixsocket", socket_path(), "--dir", directory_.path().string(), "--save", "",
      "--appendonly", "no"};
  argv.insert(argv.end(), extra_args_.begin(), extra_args_.end());
  const auto log = directory_.path() / "redis.log";
  process_ = Process(argv, log);
  const auto deadline = std::chrono::steady_clock::now() + kStartMax;
  while (!answers()) {
    if (std::chrono::steady_clock::now() > deadline) {
      std::ostringstream text;
      text << "redis-server does not answer: " << std::ifstream(log).rdbuf();
      throw std::runtime_error(text.str());
    }
    poll(nullptr, 0, 5);
  }
}

void RedisServer::pause() const {
  process_.signal(SIGSTOP);
}

void RedisServer::resume() const {
  process_.signal(SIGCONT);
}

// An error reply, such as NOAUTH, is an answer too.
bool RedisServer::answers() const {
  const timeval timeout{1, 0};
  const std::unique_ptr<redisContext, decltype(&redisFree)> context(
      redisConnectUnixWithTimeout(socket_path().c_str(), timeout), &redisFree);
  if (context == nullptr || context->err != 0 || redisSetTimeout(context.get(), timeout) != REDIS_OK) return false;
  void* reply = redisCommand(context.get(), "PING");
  if (reply == nullptr) return false;
  freeReplyObject(reply);
  return true;
}

}  // namespace stargazer::testing
