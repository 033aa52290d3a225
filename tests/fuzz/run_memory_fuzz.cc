// A damaged or hostile file of last ends: an error or ends that the scheduler can count with, never a crash.
#include <chrono>
#include <cstdint>
#include <cstdlib>

#include "io/run_memory.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto known = stargazer::RunMemory::parse({reinterpret_cast<const char*>(data), size});
  if (!known.ok()) return 0;
  for (const auto& [task, end] : *known) {
    const stargazer::Duration since_1970 = end.time_since_epoch();
    if (since_1970 < stargazer::Duration::zero()) std::abort();
  }
  return 0;
}
