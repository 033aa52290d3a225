#include "io/redis_stream.h"

#include <cassert>
#include <cstring>
#include <utility>

namespace stargazer {
namespace {

constexpr unsigned kKeepaliveDelaySeconds = 60;

Error uv_error(const char* context, int code) {
  return Error(std::string(context) + ": " + uv_strerror(code));
}

// The address that `host` is, when it is one and not a name.
bool numeric_address(const std::string& host, int port, sockaddr_storage* address) {
  if (uv_ip4_addr(host.c_str(), port, reinterpret_cast<sockaddr_in*>(address)) == 0) return true;
  return uv_ip6_addr(host.c_str(), port, reinterpret_cast<sockaddr_in6*>(address)) == 0;
}

}  // namespace

struct RedisStream::Socket {
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };
  uv_connect_t connect{};
  RedisStream* owner;

  explicit Socket(RedisStream* stream_owner) : owner(stream_owner) {}

  static Socket* of(void* data) { return static_cast<Socket*>(data); }
};

struct RedisStream::Write {
  uv_write_t request{};
  std::string bytes;
};

RedisStream::RedisStream(uv_loop_t* loop, const RedisTarget& target, std::size_t first_address, Callbacks callbacks)
    : loop_(loop),
      host_(target.host),
      port_(target.port),
      unix_path_(target.unix_path),
      first_address_(first_address),
      callbacks_(std::move(callbacks)) {}

Status RedisStream::start() {
  if (!unix_path_.empty()) {
    const int status = connect_to_unix_path();
    return status == 0 ? Status() : uv_error("connect", status);
  }
  sockaddr_storage address{};
  if (numeric_address(host_, port_, &address)) {
    addresses_.push_back(address);
    return connect_next();
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  lookup_.data = this;
  const auto done = [](uv_getaddrinfo_t* lookup, int status, addrinfo* found) {
    auto* stream = static_cast<RedisStream*>(lookup->data);
    stream->looking_up_ = false;
    if (!stream->retired_) stream->looked_up(status, found);
    uv_freeaddrinfo(found);
    stream->let_go();
  };
  const int status = uv_getaddrinfo(loop_, &lookup_, done, host_.c_str(), std::to_string(port_).c_str(), &hints);
  if (status != 0) return uv_error("lookup", status);
  looking_up_ = true;
  ++held_by_loop_;
  return {};
}

void RedisStream::looked_up(int status, const addrinfo* found) {
  if (status != 0) return callbacks_.failed(uv_error("lookup", status));
  for (; found != nullptr && addresses_.size() < kAddressesMax; found = found->ai_next) {
    sockaddr_storage address{};
    std::memcpy(&address, found->ai_addr, std::min<std::size_t>(found->ai_addrlen, sizeof address));
    addresses_.push_back(address);
  }
  if (const Status connecting = connect_next(); !connecting) callbacks_.failed(connecting.error());
}

Status RedisStream::connect_next() {
  while (tried_ < addresses_.size()) {
    const std::size_t index = (first_address_ + tried_) % addresses_.size();
    ++tried_;
    last_error_ = connect_to(reinterpret_cast<const sockaddr*>(&addresses_[index]));
    if (last_error_ == 0) return {};
  }
  return last_error_ == 0 ? Error("lookup: no address") : uv_error("connect", last_error_);
}

int RedisStream::connect_to(const sockaddr* address) {
  auto socket = std::make_unique<Socket>(this);
  if (const int status = uv_tcp_init(loop_, &socket->tcp); status != 0) return status;
  socket_ = socket.release();
  socket_->handle.data = socket_;
  ++held_by_loop_;
  const auto done = [](uv_connect_t* connect, int status) {
    RedisStream* stream = Socket::of(connect->handle->data)->owner;
    if (!stream->retired_ && status != UV_ECANCELED) stream->connect_ended(status);
  };
  const int status = uv_tcp_connect(&socket_->connect, &socket_->tcp, address, done);
  if (status != 0) close_socket();
  return status;
}

int RedisStream::connect_to_unix_path() {
  auto socket = std::make_unique<Socket>(this);
  if (const int status = uv_pipe_init(loop_, &socket->pipe, 0); status != 0) return status;
  socket_ = socket.release();
  socket_->handle.data = socket_;
  ++held_by_loop_;
  uv_pipe_connect(&socket_->connect, &socket_->pipe, unix_path_.c_str(), [](uv_connect_t* connect, int status) {
    RedisStream* stream = Socket::of(connect->handle->data)->owner;
    if (!stream->retired_ && status != UV_ECANCELED) stream->connect_ended(status);
  });
  return 0;
}

void RedisStream::connect_ended(int status) {
  if (status == 0) return opened();
  close_socket();
  last_error_ = status;
  if (const Status next = connect_next(); !next) callbacks_.failed(next.error());
}

void RedisStream::opened() {
  if (unix_path_.empty()) {
    // Both only improve latency and the detection of a dead peer: a kernel that refuses them is no reason to give up.
    uv_tcp_nodelay(&socket_->tcp, 1);
    uv_tcp_keepalive(&socket_->tcp, 1, kKeepaliveDelaySeconds);
  }
  const auto provide = [](uv_handle_t* handle, std::size_t /*suggested*/, uv_buf_t* buffer) {
    RedisStream* stream = Socket::of(handle->data)->owner;
    *buffer = uv_buf_init(stream->buffer_.data(), static_cast<unsigned>(stream->buffer_.size()));
  };
  const auto received = [](uv_stream_t* handle, ssize_t size, const uv_buf_t* buffer) {
    RedisStream* stream = Socket::of(handle->data)->owner;
    if (stream->retired_ || size == 0) return;
    if (size < 0) return stream->read_ended(size);
    stream->callbacks_.received(std::string_view(buffer->base, static_cast<std::size_t>(size)));
  };
  const int status = uv_read_start(&socket_->stream, provide, received);
  if (status != 0) return callbacks_.failed(uv_error("read", status));
  callbacks_.connected();
}

void RedisStream::read_ended(ssize_t size) {
  uv_read_stop(&socket_->stream);
  callbacks_.failed(size == UV_EOF ? Error("the server closed the connection")
                                   : uv_error("read", static_cast<int>(size)));
}

Status RedisStream::write(std::string bytes) {
  assert(socket_ != nullptr);
  auto write = std::make_unique<Write>();
  write->bytes = std::move(bytes);
  write->request.data = write.get();
  const uv_buf_t buffer = uv_buf_init(write->bytes.data(), static_cast<unsigned>(write->bytes.size()));
  // A write that fails later is not reported: the socket then becomes readable with the same error, or the deadline of
  // the command passes.
  const auto done = [](uv_write_t* request, int /*status*/) { delete static_cast<Write*>(request->data); };
  const int status = uv_write(&write->request, &socket_->stream, &buffer, 1, done);
  if (status != 0) return uv_error("write", status);
  static_cast<void>(write.release());
  return {};
}

std::size_t RedisStream::unsent_bytes() const {
  return socket_ == nullptr ? 0 : uv_stream_get_write_queue_size(&socket_->stream);
}

void RedisStream::close_socket() {
  Socket* socket = std::exchange(socket_, nullptr);
  if (socket == nullptr) return;
  uv_close(&socket->handle, [](uv_handle_t* handle) {
    Socket* closed = Socket::of(handle->data);
    RedisStream* stream = closed->owner;
    delete closed;
    stream->let_go();
  });
}

void RedisStream::retire(std::unique_ptr<RedisStream> stream, std::function<void()> gone) {
  RedisStream* retiring = stream.release();
  retiring->retired_ = true;
  retiring->gone_ = std::move(gone);
  retiring->close_socket();
  if (retiring->looking_up_) uv_cancel(reinterpret_cast<uv_req_t*>(&retiring->lookup_));
  ++retiring->held_by_loop_;
  retiring->let_go();
}

void RedisStream::let_go() {
  --held_by_loop_;
  if (held_by_loop_ > 0 || !retired_) return;
  const std::function<void()> gone = std::move(gone_);
  delete this;
  gone();
}

}  // namespace stargazer
