// What one run may use of the machine. The kernel enforces it, or lib/io/limited_runs.h as well as it can.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace stargazer {

// The keys of a task or supervised worker. 0 = not set, for each of them.
struct Limits {
  std::uint64_t memory_max_bytes = 0;  // `memory_max`: of all processes of the run together
  std::uint32_t cpu_weight = 0;        // its share when the processor is wanted by others too, who have 100
  std::uint32_t processes_max = 0;     // processes and threads of the run together
  std::int32_t nice = 0;               // is added to the daemon's own niceness

  bool any() const { return *this != Limits{}; }
  bool operator==(const Limits&) const = default;
};

inline constexpr std::uint64_t kMemoryMaxLeastBytes = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kMemoryMaxMostBytes = std::uint64_t{1} << 50;
inline constexpr std::uint32_t kCpuWeightMost = 10'000;
inline constexpr std::uint32_t kProcessesMaxMost = 4'194'304;  // of PIDs of a kernel
inline constexpr std::int32_t kNiceLeast = -20;
inline constexpr std::int32_t kNiceMost = 19;

// Reads a number of bytes, "4096" or "512M": a whole number and perhaps one of K, M, G, T, each 1024 times the one
// before. Fails on anything else, and above kMemoryMaxMostBytes; the message names the text and what is allowed.
Result<std::uint64_t> parse_size(std::string_view text);

// The shortest form that parse_size reads back: "512M", "1536K", "1000".
std::string format_size(std::uint64_t bytes);

// "memory_max 512M, processes_max 32, cpu_weight 50, nice 5": those that are set; "" when none is.
std::string limits_text(const Limits& limits);

}  // namespace stargazer
