// A TCP server on the test's own loop that misbehaves as it is told to.
#pragma once

#include <array>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <vector>

#include <uv.h>

#include "support/loop.h"

namespace stargazer::testing {

class FakeServer {
 public:
  struct Behaviour {
    std::string greeting;         // sent as soon as somebody connects
    std::string answer;           // sent after each read, whatever was read
    bool closes_at_once = false;  // right after accept (and greeting)
  };

  FakeServer(Loop& loop, Behaviour behaviour) : loop_(loop), behaviour_(std::move(behaviour)) {
    sockaddr_in address{};
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(loop_.get(), &listener_);
    listener_.data = this;
    uv_tcp_bind(&listener_, reinterpret_cast<const sockaddr*>(&address), 0);
    constexpr int kBacklog = 64;
    uv_listen(reinterpret_cast<uv_stream_t*>(&listener_), kBacklog,
              [](uv_stream_t* listener, int /*status*/) { static_cast<FakeServer*>(listener->data)->accept(); });
  }
  ~FakeServer() {
    for (const auto& connection : connections_) {
      if (connection->open) connection->close();
    }
    listener_.data = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(&listener_), [](uv_handle_t* handle) { handle->data = handle; });
    loop_.run_until([&] { return listener_.data != nullptr && open_count_ == 0; });
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  int port() const {
    sockaddr_in address{};
    int size = sizeof address;
    uv_tcp_getsockname(&listener_, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }

  // How many have connected so far, and all that they have sent.
  std::size_t connection_count() const { return connections_.size(); }
  const std::string& received() const { return received_; }

  void set_behaviour(Behaviour behaviour) { behaviour_ = std::move(behaviour); }

 private:
  struct Connection {
    FakeServer* server = nullptr;
    uv_tcp_t handle{};
    std::array<char, 4096> buffer{};
    bool open = true;

    uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&handle); }
    void close() {
      open = false;
      uv_close(reinterpret_cast<uv_handle_t*>(&handle),
               [](uv_handle_t* closed) { --static_cast<Connection*>(closed->data)->server->open_count_; });
    }
  };
  struct Write {
    uv_write_t request{};
    std::string bytes;
  };

  static void send(Connection* connection, const std::string& bytes) {
    if (bytes.empty()) return;
    auto* write = new Write{{}, bytes};
    write->request.data = write;
    const uv_buf_t buffer = uv_buf_init(write->bytes.data(), static_cast<unsigned>(write->bytes.size()));
    const auto done = [](uv_write_t* request, int /*status*/) { delete static_cast<Write*>(request->data); };
    if (uv_write(&write->request, connection->stream(), &buffer, 1, done) != 0) delete write;
  }

  void accept() {
    connections_.push_back(std::make_unique<Connection>());
    Connection* connection = connections_.back().get();
    connection->server = this;
    uv_tcp_init(loop_.get(), &connection->handle);
    connection->handle.data = connection;
    ++open_count_;
    uv_accept(reinterpret_cast<uv_stream_t*>(&listener_), connection->stream());
    send(connection, behaviour_.greeting);
    if (behaviour_.closes_at_once) return connection->close();
    uv_read_start(
        connection->stream(),
        [](uv_handle_t* handle, std::size_t /*suggested*/, uv_buf_t* buffer) {
          auto& space = static_cast<Connection*>(handle->data)->buffer;
          *buffer = uv_buf_init(space.data(), static_cast<unsigned>(space.size()));
        },
        [](uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
          auto* reader = static_cast<Connection*>(stream->data);
          if (size < 0) return reader->close();
          reader->server->received_.append(buffer->base, static_cast<std::size_t>(size));
          send(reader, reader->server->behaviour_.answer);
        });
  }

  Loop& loop_;
  Behaviour behaviour_;
  uv_tcp_t listener_{};
  int open_count_ = 0;
  std::string received_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace stargazer::testing
