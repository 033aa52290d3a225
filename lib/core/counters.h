// What is counted of supervised workers since the start of the daemon (SPEC section 4): `task_started` by task_name,
// and `task_crash` by task_name and error. The daemon publishes each step of a counter as an event.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "core/event.h"

namespace stargazer {

// One step of a counter.
struct Counted {
  std::string name;       // "task_started", "task_crash"
  std::string task_name;  // of the supervised worker
  std::string error;      // of task_crash: the kind of error that the worker named, else the cause; otherwise ""
  std::uint64_t count = 0;
};

class Counters {
 public:
  // Workers name their errors, so that there can be any number of them; beyond this all are counted as kOther.
  static constexpr std::size_t kSeriesMax = 1000;
  static constexpr std::size_t kErrorBytesMax = 256;
  static constexpr const char* kOther = "other";

  // Counts an event, if it is one to be counted. A worker that was stopped has not crashed.
  std::optional<Counted> count(const Event& event);

 private:
  using Series = std::tuple<std::string, std::string, std::string>;  // name, task_name, error

  std::map<Series, std::uint64_t> counts_;
};

}  // namespace stargazer
