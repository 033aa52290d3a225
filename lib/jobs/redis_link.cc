#include "jobs/redis_link.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "io/host_lookup.h"
#include "io/printable.h"
#include "io/sentinel.h"
#include "io/system_error.h"

namespace stargazer::jobs {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kShownBytesMax = 300;  // of an error reply
constexpr std::size_t kScanCount = 500;      // what SCAN is asked to look at in one go

Clock::time_point after(Duration timeout) {
  return Clock::now() + std::chrono::ceil<std::chrono::milliseconds>(timeout);
}

Status wait_for(int fd, short events, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return Error("no answer in time");
    pollfd polled{fd, events, 0};
    const int ready = poll(&polled, 1, static_cast<int>(left.count()));
    if (ready > 0) return {};
    if (ready == -1 && errno != EINTR) return system_error("poll", errno);
  }
}

bool is_transient(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace

RedisLink::RedisLink(const RedisTarget& target, const Options& options)
    : name_("redis " + target.shown()), options_(options), reader_(std::make_unique<RedisReplyReader>()) {}

Result<RedisLink> RedisLink::connect(const RedisTarget& target, const Options& options) {
  RedisLink link(target, options);
  RedisTarget found = target;
  if (!target.sentinels.empty()) {
    auto master = link.ask_sentinels(target);
    if (!master) return master.error().in(link.name_);
    found.host = master->host;
    found.port = master->port;
  }
  Status status = link.open(found);
  if (status) status = link.log_in(login_steps(target, ""));
  if (!status) return status.error().in(link.name_);
  return link;
}

Status RedisLink::open(const RedisTarget& target) {
  return target.unix_path.empty() ? open_tcp({target.host, target.port}) : open_unix(target.unix_path);
}

Status RedisLink::open_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Error("connect: the path of the socket is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size());
  fd_ = UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_) return system_error("socket", errno);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return {};
  return system_error("connect", errno);
}

Status RedisLink::open_tcp(const HostPort& address) {
  const Clock::time_point deadline = after(options_.connect_timeout);
  const HostLookup lookup(address.host, address.port);
  if (lookup.fd() != -1) {
    if (Status done = wait_for(lookup.fd(), POLLIN, deadline); !done) return done.error().in("lookup");
  }
  const auto addresses = lookup.addresses();
  if (!addresses) return addresses.error();
  int left = 0;
  for (const addrinfo* each = *addresses; each != nullptr; each = each->ai_next) ++left;
  Status status = Error("lookup: no address");
  for (const addrinfo* each = *addresses; each != nullptr; each = each->ai_next, --left) {
    const auto now = Clock::now();
    // An address that does not answer must leave time for the others.
    status = open_address(*each, now + (deadline - now) / left);
    if (status) break;
  }
  return status;
}

Status RedisLink::open_address(const addrinfo& address, Clock::time_point deadline) {
  fd_ = UniqueFd(socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, address.ai_protocol));
  if (!fd_) return system_error("socket", errno);
  const int on = 1;
  setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd_.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (::connect(fd_.get(), address.ai_addr, address.ai_addrlen) == 0) return {};
  if (errno != EINPROGRESS) return system_error("connect", errno);
  if (Status status = wait_for(fd_.get(), POLLOUT, deadline); !status) return status.error().in("connect");
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? Status() : system_error("connect", error);
}

Status RedisLink::log_in(const std::vector<LoginStep>& steps) {
  std::vector<RedisCommand> commands;
  commands.reserve(steps.size());
  for (const LoginStep& step : steps) commands.push_back(step.args);
  auto replies = exchange(commands, options_.connect_timeout);
  if (!replies) return replies.error().in("login");
  for (std::size_t place = 0; place < steps.size(); ++place) {
    RedisValue& reply = (*replies)[place];
    const bool refused = reply.kind == RedisValue::Kind::kError;
    const Result<RedisValue> answer = refused ? Result<RedisValue>(Error(reply.text)) : Result<RedisValue>(reply);
    if (std::string problem = login_problem(steps[place], answer); !problem.empty()) return Error(std::move(problem));
  }
  return {};
}

Result<HostPort> RedisLink::ask_sentinels(const RedisTarget& target) {
  Error last("no sentinel is configured");
  for (const HostPort& sentinel : target.sentinels) {
    auto answer = ask_sentinel(target, sentinel, false);
    if (!answer && answer.error().message().starts_with("NOAUTH")) answer = ask_sentinel(target, sentinel, true);
    auto master = master_answer(target.master_name, answer);
    if (master) return master;
    last = master.error().in("sentinel " + sentinel.shown());
  }
  return last;
}

Result<RedisValue> RedisLink::ask_sentinel(const RedisTarget& target, const HostPort& sentinel, bool with_credentials) {
  RedisLink link(target, options_);
  if (Status opened = link.open_tcp(sentinel); !opened) return opened.error();
  std::vector<RedisCommand> commands;
  for (const LoginStep& step : sentinel_steps(target, with_credentials)) commands.push_back(step.args);
  auto replies = link.exchange(commands, options_.connect_timeout);
  if (!replies) return replies.error();
  RedisValue& answer = replies->back();
  if (answer.kind == RedisValue::Kind::kError) return Error(printable(answer.text, kShownBytesMax));
  return std::move(answer);
}

Status RedisLink::send(std::string_view bytes, Clock::time_point deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
    if (sent >= 0) continue;
    if (!is_transient(errno)) return system_error("send", errno);
    if (Status ready = wait_for(fd_.get(), POLLOUT, deadline); !ready) return ready;
  }
  return {};
}

Result<RedisValue> RedisLink::receive(Clock::time_point deadline) {
  for (;;) {
    auto reply = reader_->next();
    if (!reply) return reply.error();
    if (*reply) return *std::move(*reply);
    if (Status ready = wait_for(fd_.get(), POLLIN, deadline); !ready) return ready.error();
    std::array<char, 16384> buffer;
    const ssize_t received = recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (received == 0) return Error("the server has closed the connection");
    if (received < 0 && !is_transient(errno)) return system_error("receive", errno);
    if (received <= 0) continue;
    if (Status fed = reader_->feed({buffer.data(), static_cast<std::size_t>(received)}); !fed) return fed.error();
  }
}

Result<std::vector<RedisValue>> RedisLink::exchange(const std::vector<RedisCommand>& commands, Duration timeout) {
  if (!fd_) return Error("the connection is lost");
  const Clock::time_point deadline = after(timeout);
  std::string bytes;
  for (const RedisCommand& command : commands) {
    auto formatted = format_redis_command(command);
    if (!formatted) return formatted.error();
    bytes += *formatted;
  }
  Status status = send(bytes, deadline);
  std::vector<RedisValue> replies;
  while (status && replies.size() < commands.size()) {
    auto reply = receive(deadline);
    if (reply) {
      replies.push_back(std::move(reply).value());
    } else {
      status = reply.error();
    }
  }
  if (status) return replies;
  fd_.reset();  // what still comes on it cannot be told apart
  return status.error();
}

Result<RedisValue> RedisLink::command(const RedisCommand& args, Duration timeout) {
  auto replies = exchange({args}, timeout == Duration::zero() ? options_.command_timeout : timeout);
  if (!replies) return replies.error().in(args.front()).in(name_);
  RedisValue& reply = replies->front();
  if (reply.kind == RedisValue::Kind::kError) {
    return Error(printable(reply.text, kShownBytesMax)).in(args.front()).in(name_);
  }
  return std::move(reply);
}

Result<std::vector<RedisValue>> RedisLink::pipeline(const std::vector<RedisCommand>& commands) {
  if (commands.empty()) return std::vector<RedisValue>();
  auto replies = exchange(commands, options_.command_timeout);
  if (!replies) return replies.error().in(commands.front().front()).in(name_);
  return replies;
}

KeyScan::KeyScan(RedisLink& redis, const std::string& prefix) : redis_(redis) {
  for (const char character : prefix) {
    if (std::strchr("*?[]\\^", character) != nullptr && character != '\0') pattern_ += '\\';
    pattern_ += character;
  }
  pattern_ += '*';
}

Result<std::vector<std::string>> KeyScan::next() {
  auto reply = redis_.command({"SCAN", cursor_, "MATCH", pattern_, "COUNT", std::to_string(kScanCount)});
  if (!reply) return reply.error();
  std::vector<RedisValue>& parts = reply->elements;
  if (parts.size() != 2 || parts[0].kind != RedisValue::Kind::kString || parts[1].kind != RedisValue::Kind::kArray) {
    return Error("SCAN: a reply that is none").in(redis_.name());
  }
  cursor_ = parts[0].text;
  done_ = cursor_ == "0";
  std::vector<std::string> keys;
  for (RedisValue& key : parts[1].elements) {
    if (key.kind == RedisValue::Kind::kString) keys.push_back(std::move(key.text));
  }
  return keys;
}

}  // namespace stargazer::jobs
