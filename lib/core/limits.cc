#include "core/limits.h"

#include <charconv>

namespace stargazer {
namespace {

constexpr std::string_view kUnits = "KMGT";

Error not_a_size(std::string_view text) {
  return Error("\"" + std::string(text) + "\" is no size, allowed is a number of bytes up to " +
               format_size(kMemoryMaxMostBytes) + ", with K, M, G or T for multiples of 1024");
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return not_a_size(text);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  std::size_t shift = 0;
  if (!unit.empty()) {
    const std::size_t place = kUnits.find(unit);
    if (unit.size() > 1 || place == std::string_view::npos) return not_a_size(text);
    shift = 10 * (place + 1);
  }
  if (number > (kMemoryMaxMostBytes >> shift)) return not_a_size(text);
  return number << shift;
}

std::string format_size(std::uint64_t bytes) {
  std::size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + (unit == 0 ? "" : std::string(1, kUnits[unit - 1]));
}

std::string limits_text(const Limits& limits) {
  std::string text;
  const auto add = [&text](const char* name, const std::string& value) {
    text.append(text.empty() ? "" : ", ").append(name).append(" ").append(value);
  };
  if (limits.memory_max_bytes != 0) add("memory_max", format_size(limits.memory_max_bytes));
  if (limits.processes_max != 0) add("processes_max", std::to_string(limits.processes_max));
  if (limits.cpu_weight != 0) add("cpu_weight", std::to_string(limits.cpu_weight));
  if (limits.nice != 0) add("nice", std::to_string(limits.nice));
  return text;
}

}  // namespace stargazer
