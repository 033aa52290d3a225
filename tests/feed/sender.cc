// Sends entries to journald at a given pace. Each has a NUMBER, from 0 on, and SENT_NS, the time by CLOCK_MONOTONIC
// right before it was sent. Ends when journald has taken the last one in: it asks the kernel for a sender's unit, and
// of one that has gone it learns none.
//
// usage: feed_sender COUNT PER_SECOND BURST     BURST: so many at once, then a pause; 1 = evenly
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include <systemd/sd-journal.h>

namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;

std::uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kNsPerS + static_cast<std::uint64_t>(now.tv_nsec);
}

void sleep_until(std::uint64_t at_ns) {
  const timespec at{static_cast<time_t>(at_ns / kNsPerS), static_cast<long>(at_ns % kNsPerS)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) != 0) {
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: feed_sender COUNT PER_SECOND BURST\n", stderr);
    return 2;
  }
  const auto count = std::strtoull(argv[1], nullptr, 10);
  const auto per_second = std::strtoull(argv[2], nullptr, 10);
  const auto burst = std::strtoull(argv[3], nullptr, 10);
  if (count == 0 || per_second == 0 || burst == 0) return 2;
  const auto began_ns = now_ns();
  for (std::uint64_t number = 0; number < count; ++number) {
    if (number % burst == 0) sleep_until(began_ns + number * kNsPerS / per_second);
    const int error = sd_journal_send("MESSAGE=the sky is clear above telescope", "PRIORITY=6", "NUMBER=%llu",
                                      static_cast<unsigned long long>(number), "SENT_NS=%llu",
                                      static_cast<unsigned long long>(now_ns()), nullptr);
    if (error < 0) {
      std::fprintf(stderr, "feed_sender: entry %llu: error %d\n", static_cast<unsigned long long>(number), -error);
      return 1;
    }
  }
  return std::system("exec journalctl --sync") == 0 ? 0 : 1;
}
