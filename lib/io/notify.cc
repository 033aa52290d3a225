#include "io/notify.h"

#include <cstdint>
#include <utility>

#include <systemd/sd-daemon.h>

namespace stargazer {

Notify::Notify(uv_loop_t* loop, std::function<bool()> healthy) : healthy_(std::move(healthy)) {
  uv_timer_init(loop, &watchdog_);
  std::uint64_t interval_us = 0;
  if (sd_watchdog_enabled(0, &interval_us) <= 0) return;
  const std::uint64_t period_ms = interval_us / 2000;
  watchdog_.data = this;
  uv_timer_start(
      &watchdog_, [](uv_timer_t* timer) { static_cast<const Notify*>(timer->data)->ping(); }, period_ms, period_ms);
}

void Notify::ping() const {
  if (healthy_()) sd_notify(0, "WATCHDOG=1");
}

void Notify::ready() {
  sd_notify(0, "READY=1");
}

void Notify::status(const std::string& text) {
  if (text == last_status_) return;
  last_status_ = text;
  sd_notify(0, ("STATUS=" + text).c_str());
}

void Notify::stopping() {
  sd_notify(0, "STOPPING=1");
}

void Notify::close() {
  uv_close(reinterpret_cast<uv_handle_t*>(&watchdog_), nullptr);
}

}  // namespace stargazer
