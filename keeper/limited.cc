#include "keeper/limited.h"

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "io/keeper_protocol.h"
#include "io/run_cgroup.h"
#include "io/system_error.h"
#include "keeper/launch.h"

namespace stargazer::keeper {
namespace {

struct Limited {
  std::string cgroup;            // "" = stay where we are
  std::int32_t nice = 0;         // more than now
  std::uint64_t data_bytes = 0;  // 0 = as it is
  char** program = nullptr;      // then its argv
};

template <typename Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool read_word(std::string_view word, Limited& limited) {
  const std::string_view value = word.substr(word.find('=') + 1);
  if (word.starts_with(kCgroupModePrefix)) limited.cgroup = value;
  if (word.starts_with(kCgroupModePrefix)) return value.starts_with('/');
  if (word.starts_with(kNicePrefix)) return read_number(value, limited.nice);
  return word.starts_with(kDataPrefix) && read_number(value, limited.data_bytes);
}

std::optional<Limited> read_words(int argc, char** argv) {
  Limited limited;
  int place = 2;
  while (place < argc && std::strcmp(argv[place], kLimitsEnd) != 0) {
    if (!read_word(argv[place++], limited)) return std::nullopt;
  }
  if (place + 2 >= argc) return std::nullopt;
  limited.program = argv + place + 1;
  return limited;
}

Status apply(const Limited& limited) {
  if (!limited.cgroup.empty()) {
    if (Status entered = RunCgroup(limited.cgroup).enter(); !entered.ok()) return entered;
  }
  if (limited.data_bytes != 0) {
    const rlimit data{limited.data_bytes, limited.data_bytes};
    if (setrlimit(RLIMIT_DATA, &data) != 0) return system_error("RLIMIT_DATA", errno);
  }
  // Where it is not allowed, the daemon has said so at its start.
  if (limited.nice != 0) setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + limited.nice);
  return {};
}

// Under a keeper there is nobody who listens, only the worker's stderr.
void tell(const Error& error) {
  struct stat found {};
  const bool listens = fstat(kLimitedReportFd, &found) == 0 && S_ISFIFO(found.st_mode);
  const std::string line = error.message().substr(0, kKeeperReportBytesMax - 1) + "\n";
  if (write(listens ? kLimitedReportFd : STDERR_FILENO, line.data(), line.size()) < 0) return;
}

}  // namespace

int run_limited(int argc, char** argv) {
  const std::optional<Limited> limited = read_words(argc, argv);
  if (!limited) return EX_USAGE;
  fcntl(kLimitedReportFd, F_SETFD, FD_CLOEXEC);
  if (Status applied = apply(*limited); !applied.ok()) {
    tell(applied.error().in("limits"));
    return kNotStartedCode;
  }
  execv(limited->program[0], limited->program + 1);
  tell(system_error(limited->program[1], errno));
  return kNotStartedCode;
}

}  // namespace stargazer::keeper
