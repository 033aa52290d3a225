#include "config/limit_reader.h"

namespace stargazer {

Result<std::uint64_t> size_of(const Node& node) {
  Result<std::uint64_t> bytes = Error(std::string("is ") + kind_name(node) + ", allowed is a size such as \"512M\"");
  if (const auto* text = std::get_if<std::string>(&node.value)) {
    bytes = parse_size(*text);
    if (!bytes) return Error("is " + bytes.error().message());
  } else if (const auto* number = std::get_if<std::int64_t>(&node.value)) {
    bytes = *number < 0 ? 1 : static_cast<std::uint64_t>(*number);
  }
  if (!bytes || *bytes == 0 || (*bytes >= kMemoryMaxLeastBytes && *bytes <= kMemoryMaxMostBytes)) return bytes;
  return Error("is out of range, allowed are 0 and a size from " + format_size(kMemoryMaxLeastBytes) + " to " +
               format_size(kMemoryMaxMostBytes));
}

namespace {

template <typename T>
void store(T& member, const Result<T>& value, const Entry& entry, const Place& place) {
  if (value) {
    member = *value;
  } else {
    place.problem(entry, value.error().message());
  }
}

}  // namespace

void read_memory_max(const Entry& entry, Limits& limits, const Place& place) {
  store(limits.memory_max_bytes, size_of(entry.value), entry, place);
}

void read_cpu_weight(const Entry& entry, Limits& limits, const Place& place) {
  store(limits.cpu_weight, number_of(entry.value, 0, kCpuWeightMost), entry, place);
}

void read_processes_max(const Entry& entry, Limits& limits, const Place& place) {
  store(limits.processes_max, number_of(entry.value, 0, kProcessesMaxMost), entry, place);
}

void read_nice(const Entry& entry, Limits& limits, const Place& place) {
  const auto* number = std::get_if<std::int64_t>(&entry.value.value);
  if (number != nullptr && *number >= kNiceLeast && *number <= kNiceMost) {
    limits.nice = static_cast<std::int32_t>(*number);
  } else {
    place.problem(entry, "is " + (number == nullptr ? std::string(kind_name(entry.value)) : std::to_string(*number)) +
                             ", allowed is an integer from " + std::to_string(kNiceLeast) + " to " +
                             std::to_string(kNiceMost));
  }
}

}  // namespace stargazer
