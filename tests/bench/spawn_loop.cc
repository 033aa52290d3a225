// The least that starting processes can cost: a loop that keeps CONCURRENCY of them going and does nothing else.
//
// Usage: spawn_loop CONCURRENCY SECONDS PROGRAM
//
// Prints how many have ended a second, and the processor time of the loop itself for each, in microseconds.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char** environ;

namespace {

double now_s() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double own_cpu_us() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

void start(char* program) {
  char* argv[] = {program, nullptr};
  pid_t pid = 0;
  if (posix_spawn(&pid, program, nullptr, nullptr, argv, environ) == 0) return;
  std::fprintf(stderr, "spawn_loop: %s cannot be started\n", program);
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: spawn_loop CONCURRENCY SECONDS PROGRAM\n");
    return 2;
  }
  const double seconds = std::atof(argv[2]);
  const double began = now_s();
  for (int count = std::atoi(argv[1]); count > 0; --count) start(argv[3]);
  long ended = 0;
  double passed = 0;
  while (passed < seconds) {
    if (wait(nullptr) <= 0) return 1;
    ++ended;
    start(argv[3]);
    passed = now_s() - began;
  }
  while (wait(nullptr) > 0) {
  }
  std::printf("%.3f %.3f\n", static_cast<double>(ended) / passed, own_cpu_us() / static_cast<double>(ended));
  return 0;
}
