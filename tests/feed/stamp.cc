// A task that says when it ran: appends "BEGIN_NS END_NS" to FILE, both by CLOCK_MONOTONIC, in one write.
//
// usage: feed_stamp FILE
#include <array>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>

namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;

unsigned long long now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kNsPerS + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

int main(int argc, char** argv) {
  const auto began_ns = now_ns();
  if (argc != 2) return 2;
  const int file = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  std::array<char, 64> line{};
  const int size = std::snprintf(line.data(), line.size(), "%llu %llu\n", began_ns, now_ns());
  return write(file, line.data(), static_cast<std::size_t>(size)) == size ? 0 : 1;
}
