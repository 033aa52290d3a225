// What systemd is told: READY, STATUS, STOPPING, and the watchdog's pings, which come from the event loop itself, so
// that a loop which hangs stops them (sd_notify(3), sd_watchdog_enabled(3)). Without systemd everything here does
// nothing.
#pragma once

#include <functional>
#include <string>

#include <uv.h>

namespace stargazer {

class Notify {
 public:
  // Begins to ping at half the interval that systemd asks for, if it does; no longer while `healthy` says false.
  Notify(uv_loop_t* loop, std::function<bool()> healthy);
  Notify(const Notify&) = delete;
  Notify& operator=(const Notify&) = delete;

  void ready();
  // One line for `systemctl status`; the same text again is not sent.
  void status(const std::string& text);
  void stopping();

  // Takes the timer off the loop, which must run once more before the object is destroyed.
  void close();

 private:
  void ping() const;

  uv_timer_t watchdog_{};
  std::function<bool()> healthy_;
  std::string last_status_;
};

}  // namespace stargazer
