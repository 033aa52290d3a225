#include "feed/redis_pipe.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <hiredis/hiredis.h>

namespace stargazer {
namespace {

// What is shown of a server's error reply.
constexpr std::size_t kShownBytesMax = 200;

Error system_error(std::string_view what, int error) {
  return Error(std::generic_category().message(error)).in(what);
}

bool is_transient(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

// The first word of an error reply, such as WRONGPASS: all that may be shown of an answer to a password.
std::string code_of(const std::string& reply) {
  return reply.substr(0, reply.find(' '));
}

struct ReplyDeleter {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};

// ROLE answers an array that begins with the role.
Status check_role(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements == 0 || reply.element[0]->type != REDIS_REPLY_STRING) {
    return Error("unexpected type of reply");
  }
  const std::string_view role(reply.element[0]->str, static_cast<std::size_t>(reply.element[0]->len));
  return role == "master" ? Status() : Error("the server is not the master");
}

Status check_reply(const redisReply& reply, RedisPipe::Reply expected) {
  if (reply.type == REDIS_REPLY_ERROR) return Error(std::string(reply.str, std::min(reply.len, kShownBytesMax)));
  if (expected == RedisPipe::Reply::kRoleOfMaster) return check_role(reply);
  const int type = expected == RedisPipe::Reply::kInteger ? REDIS_REPLY_INTEGER : REDIS_REPLY_STATUS;
  if (reply.type != type) return Error("unexpected type of reply");
  return {};
}

}  // namespace

void append_redis_command(std::string& out, std::initializer_list<std::string_view> arguments) {
  out += '*';
  out += std::to_string(arguments.size());
  for (const std::string_view argument : arguments) {
    out += "\r\n$";
    out += std::to_string(argument.size());
    out += "\r\n";
    out += argument;
  }
  out += "\r\n";
}

RedisPipe::RedisPipe(RedisTarget target, const StopEvent& stop)
    : target_(std::move(target)),
      stop_(stop),
      address_{target_.host, target_.port},
      reader_(nullptr, &redisReaderFree) {}

RedisPipe::~RedisPipe() {
  close();
}

void RedisPipe::close() {
  if (fd_ != -1) ::close(std::exchange(fd_, -1));
  reader_.reset();
}

Status RedisPipe::connect() {
  close();
  reader_.reset(redisReaderCreate());
  if (reader_ == nullptr) return Error("out of memory");
  unparsed_bytes_ = 0;
  may_finish_ = false;
  deadline_ = Clock::now() + kConnectTimeout;
  Status status = open_socket();
  if (status) status = log_in();
  if (!status) close();
  return status;
}

Status RedisPipe::open_socket() {
  return target_.unix_path.empty() ? open_tcp() : open_unix();
}

Status RedisPipe::open_unix() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (target_.unix_path.size() >= sizeof address.sun_path) return Error("connect: path of the socket is too long");
  std::memcpy(address.sun_path, target_.unix_path.c_str(), target_.unix_path.size());
  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ == -1) return system_error("socket", errno);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return {};
  return system_error("connect", errno);
}

Status RedisPipe::find_host() {
  if (target_.master == nullptr) return {};
  std::optional<HostPort> master = target_.master->get();
  if (!master) return Error("the sentinels have not named a master yet");
  if (address_ == *master) return {};
  address_ = *std::move(master);
  lookup_.reset();
  return {};
}

Status RedisPipe::open_tcp() {
  if (Status found = find_host(); !found) return found;
  if (!lookup_) lookup_.emplace(address_.host, address_.port);
  auto addresses = lookup_->addresses();
  if (addresses && *addresses == nullptr) {
    if (auto status = wait_for(lookup_->fd(), POLLIN); !status) return status.error().in("lookup");
    addresses = lookup_->addresses();
  }
  const HostLookup lookup = *std::exchange(lookup_, std::nullopt);
  if (!addresses) return addresses.error();

  int left = 0;
  for (const addrinfo* address = *addresses; address != nullptr; address = address->ai_next) ++left;
  const Clock::time_point end = deadline_;
  Status status;
  for (const addrinfo* address = *addresses; address != nullptr; address = address->ai_next, --left) {
    const auto now = Clock::now();
    // An address that does not answer must leave time for the others.
    status = open_address(*address, now + (end - now) / left);
    if (status || stop_.requested()) break;
  }
  deadline_ = end;
  return status;
}

Status RedisPipe::open_address(const addrinfo& address, Clock::time_point deadline) {
  if (fd_ != -1) ::close(std::exchange(fd_, -1));
  fd_ = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, address.ai_protocol);
  if (fd_ == -1) return system_error("socket", errno);
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (::connect(fd_, address.ai_addr, address.ai_addrlen) == 0) return {};
  if (errno != EINPROGRESS) return system_error("connect", errno);
  deadline_ = deadline;
  if (auto status = wait_for(fd_, POLLOUT); !status) return status.error().in("connect");
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? Status() : system_error("connect", error);
}

Status RedisPipe::log_in() {
  if (!target_.password.empty()) {
    const Status status = target_.username.empty() ? command({"AUTH", target_.password})
                                                   : command({"AUTH", target_.username, target_.password});
    if (!status) return Error(code_of(status.error().message())).in("login");
  }
  if (target_.database != 0) {
    if (auto status = command({"SELECT", std::to_string(target_.database)}); !status) {
      return status.error().in("select database " + std::to_string(target_.database));
    }
  }
  // A user who may only publish may not ping; the refusal is as good an answer.
  const auto is_forbidden = [](const Status& status) {
    return !status && code_of(status.error().message()) == "NOPERM";
  };
  Status status = command({"PING"});
  if (!status && !is_forbidden(status)) return status;
  if (target_.master == nullptr) return {};
  status = command({"ROLE"}, Reply::kRoleOfMaster);
  if (!status && !is_forbidden(status)) return status;
  return {};
}

Status RedisPipe::command(std::initializer_list<std::string_view> arguments, Reply expected) {
  std::string bytes;
  append_redis_command(bytes, arguments);
  std::size_t acknowledged = 0;
  return exchange_all(bytes, 1, expected, acknowledged);
}

RedisPipe::Outcome RedisPipe::exchange(std::string_view commands, std::size_t count, Reply expected) {
  Outcome outcome;
  may_finish_ = true;
  made_progress();
  outcome.status = exchange_all(commands, count, expected, outcome.acknowledged);
  return outcome;
}

Status RedisPipe::exchange_all(std::string_view commands, std::size_t count, Reply expected,
                               std::size_t& acknowledged) {
  std::string_view unsent = commands;
  while (acknowledged < count) {
    const auto events = static_cast<short>(unsent.empty() ? POLLIN : POLLIN | POLLOUT);
    if (auto status = wait_for(fd_, events); !status) return status;
    // What a server says before it hangs up is worth more than "Broken pipe", so a failure to send waits for it.
    Status sent = send_some(unsent);
    Status received = receive_some();
    if (auto status = take_replies(count, expected, acknowledged); !status) return status;
    if (acknowledged == count) break;
    if (!received) return received;
    if (!sent) return sent;
  }
  return {};
}

Status RedisPipe::send_some(std::string_view& unsent) {
  if (unsent.empty()) return {};
  const ssize_t sent = send(fd_, unsent.data(), unsent.size(), MSG_NOSIGNAL);
  if (sent == -1) return is_transient(errno) ? Status() : system_error("send", errno);
  unsent.remove_prefix(static_cast<std::size_t>(sent));
  made_progress();
  return {};
}

Status RedisPipe::receive_some() {
  std::array<char, 16384> buffer{};
  const ssize_t received = recv(fd_, buffer.data(), buffer.size(), 0);
  if (received == -1) return is_transient(errno) ? Status() : system_error("receive", errno);
  if (received == 0) return Error("connection closed by the server");
  const auto size = static_cast<std::size_t>(received);
  unparsed_bytes_ += size;
  if (redisReaderFeed(reader_.get(), buffer.data(), size) != REDIS_OK) return Error(reader_->errstr);
  return {};
}

Status RedisPipe::take_replies(std::size_t count, Reply expected, std::size_t& acknowledged) {
  while (acknowledged < count) {
    void* object = nullptr;
    if (redisReaderGetReply(reader_.get(), &object) != REDIS_OK) return Error(reader_->errstr);
    if (object == nullptr) break;
    const std::unique_ptr<redisReply, ReplyDeleter> reply(static_cast<redisReply*>(object));
    unparsed_bytes_ = 0;
    made_progress();
    if (auto status = check_reply(*reply, expected); !status) return status;
    ++acknowledged;
  }
  return unparsed_bytes_ > kReplyBytesMax ? Status(Error("reply too long")) : Status();
}

// While connecting there is one deadline for everything; in an exchange each step forward earns more time.
void RedisPipe::made_progress() {
  if (may_finish_ && !stop_.requested()) deadline_ = Clock::now() + kProgressTimeout;
}

Status RedisPipe::wait_for(int fd, short events) {
  for (;;) {
    const bool stopping = stop_.requested();
    if (stopping && !may_finish_) return Error("stopped");
    const auto now = Clock::now();
    if (stopping && !stop_seen_) stop_seen_ = now;
    if (stopping) deadline_ = std::min(deadline_, *stop_seen_ + kStopGrace);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - now);
    if (left.count() <= 0) return Error(stopping ? "stopped" : "no answer in time");
    std::array<pollfd, 2> fds = {{{fd, events, 0}, {stop_.fd(), POLLIN, 0}}};
    const int ready = poll(fds.data(), stopping ? 1 : 2, static_cast<int>(left.count()));
    if (ready == -1 && errno != EINTR) return system_error("poll", errno);
    if (ready > 0 && fds[0].revents != 0) return {};
  }
}

}  // namespace stargazer
