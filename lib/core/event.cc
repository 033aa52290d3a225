#include "core/event.h"

#include <array>

namespace stargazer {

const char* name_of(Outcome outcome) {
  constexpr std::array kNames{"ok", "skipped", "failed", "timed_out", "cancelled", "spawn_failed"};
  static_assert(kNames.size() == static_cast<std::size_t>(Outcome::kSpawnFailed) + 1);
  return kNames[static_cast<std::size_t>(outcome)];
}

const char* name_of(EventKind kind) {
  constexpr std::array kNames{"run_started",
                              "run_ended",
                              "task_held",
                              "stop_escalated",
                              "output_abandoned",
                              "worker_started",
                              "worker_ended",
                              "lease_gained",
                              "lease_lost",
                              "lease_held_by_other",
                              "lease_request_failed",
                              "lease_released",
                              "lease_hold_off",
                              "lease_recreated",
                              "dependency_down",
                              "dependency_up",
                              "last_end_in_future",
                              "stopping",
                              "stop_hurried",
                              "stop_overdue",
                              "stopped"};
  static_assert(kNames.size() == static_cast<std::size_t>(EventKind::kStopped) + 1);
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace stargazer
