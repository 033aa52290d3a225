// A descriptor that is watched for reading on the event loop. Owns both, the descriptor and the handle; frees itself
// once libuv has let go of the handle.
#pragma once

#include <functional>
#include <utility>

#include <uv.h>

#include "io/unique_fd.h"

namespace stargazer {

class Watch {
 public:
  using Callback = std::function<void()>;

  // `on_readable` is called whenever there is something to read, or the end.
  static Watch* start(uv_loop_t* loop, UniqueFd fd, Callback on_readable) {
    auto* watch = new Watch(std::move(fd), std::move(on_readable));
    uv_poll_init(loop, &watch->poll_, watch->fd_.get());
    watch->poll_.data = watch;
    watch->resume();
    return watch;
  }

  int fd() const { return fd_.get(); }
  void pause() { uv_poll_stop(&poll_); }
  void resume() {
    uv_poll_start(&poll_, UV_READABLE, [](uv_poll_t* poll, int status, int) {
      auto* watch = static_cast<Watch*>(poll->data);
      // A socket whose other end was closed with something unread in it is in error, and libuv stops to watch it. What
      // was written before is still to be read; the error comes after it, and ends the reading.
      if (status < 0) watch->resume();
      watch->ready_();
    });
  }
  // The last call. The callback does not run any more; the object is gone soon.
  void close() {
    uv_poll_stop(&poll_);
    fd_.reset();
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_),
             [](uv_handle_t* handle) { delete static_cast<Watch*>(handle->data); });
  }

 private:
  Watch(UniqueFd fd, Callback on_readable) : fd_(std::move(fd)), ready_(std::move(on_readable)) {}
  ~Watch() = default;

  UniqueFd fd_;
  Callback ready_;
  uv_poll_t poll_{};
};

}  // namespace stargazer
