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
#include <unistd.h>
#include <utility>

#include <hiredis/hiredis.h>

#include "io/system_error.h"

namespace stargazer {
namespace {

// What is shown of a server's error reply.
constexpr std::size_t kShownBytesMax = 200;

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

RedisPipe::Reply reply_of(const redisReply& reply) {
  using Kind = RedisPipe::Reply::Kind;
  const auto text_of = [](const redisReply& from) {
    return from.str == nullptr ? std::string_view() : std::string_view(from.str, from.len);
  };
  if (reply.type == REDIS_REPLY_INTEGER) return {Kind::kInteger, reply.integer, {}};
  if (reply.type == REDIS_REPLY_ERROR) return {Kind::kError, 0, text_of(reply).substr(0, kShownBytesMax)};
  if (reply.type != REDIS_REPLY_ARRAY) return {Kind::kText, 0, text_of(reply)};
  if (reply.elements == 0) return {Kind::kList, 0, {}};
  return {Kind::kList, reply.element[reply.elements - 1]->integer, text_of(*reply.element[0])};
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
  status = command({"ROLE"}, Reply::Kind::kList, "master");
  if (!status && !is_forbidden(status)) return status;
  return {};
}

// `expected_text` "" = any. Only the reply to ROLE is asked for another.
Status RedisPipe::command(std::initializer_list<std::string_view> arguments, Reply::Kind expected,
                          std::string_view expected_text) {
  std::string bytes;
  append_redis_command(bytes, arguments);
  if (auto status = send_all(bytes); !status) return status;
  bool answered = false;
  const Sink check = [&](const Reply& reply) -> Status {
    if (std::exchange(answered, true)) return Error("a reply that nobody has asked for");
    if (reply.kind == Reply::Kind::kError) return Error(std::string(reply.text));
    if (reply.kind != expected) return Error("unexpected type of reply");
    if (!expected_text.empty() && reply.text != expected_text) return Error("the server is not the master");
    return {};
  };
  while (!answered) {
    if (auto status = wait_for(fd_, POLLIN); !status) return status;
    if (auto status = receive(check); !status) return status;
  }
  return {};
}

Status RedisPipe::send_all(std::string_view commands) {
  while (!commands.empty()) {
    const auto sent = send(commands);
    if (!sent) return sent.error();
    commands.remove_prefix(*sent);
    if (commands.empty()) break;
    if (auto status = wait_for(fd_, POLLOUT); !status) return status;
  }
  return {};
}

Result<std::size_t> RedisPipe::send(std::string_view commands) {
  const ssize_t sent = ::send(fd_, commands.data(), commands.size(), MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (is_transient(errno)) return std::size_t{0};
  return system_error("send", errno);
}

Status RedisPipe::receive(const Sink& sink) {
  for (;;) {
    std::array<char, 16384> buffer;
    const ssize_t received = recv(fd_, buffer.data(), buffer.size(), 0);
    if (received == -1) return is_transient(errno) ? Status() : system_error("receive", errno);
    if (received == 0) return Error("connection closed by the server");
    const auto size = static_cast<std::size_t>(received);
    unparsed_bytes_ += size;
    if (redisReaderFeed(reader_.get(), buffer.data(), size) != REDIS_OK) return Error(reader_->errstr);
    if (auto status = parse(sink); !status) return status;
    if (size < buffer.size()) return {};
  }
}

Status RedisPipe::parse(const Sink& sink) {
  for (;;) {
    void* object = nullptr;
    if (redisReaderGetReply(reader_.get(), &object) != REDIS_OK) return Error(reader_->errstr);
    if (object == nullptr) break;
    const std::unique_ptr<redisReply, ReplyDeleter> reply(static_cast<redisReply*>(object));
    unparsed_bytes_ = 0;
    if (auto status = sink(reply_of(*reply)); !status) return status;
  }
  return unparsed_bytes_ > kReplyBytesMax ? Status(Error("reply too long")) : Status();
}

Status RedisPipe::wait_for(int fd, short events) {
  for (;;) {
    if (stop_.requested()) return Error("stopped");
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
    if (left.count() <= 0) return Error("no answer in time");
    std::array<pollfd, 2> fds = {{{fd, events, 0}, {stop_.fd(), POLLIN, 0}}};
    const int ready = poll(fds.data(), fds.size(), static_cast<int>(left.count()));
    if (ready == -1 && errno != EINTR) return system_error("poll", errno);
    if (ready > 0 && fds[0].revents != 0) return {};
  }
}

}  // namespace stargazer
