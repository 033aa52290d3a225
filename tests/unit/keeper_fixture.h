// What the tests of stargazer-keeper share: the modes that this machine allows, and workers that run under one of them.
#pragma once

#include <ctime>
#include <string>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <vector>

#include "io/keeper.h"
#include "io/keeper_protocol.h"
#include "unit/worker_host_fixture.h"

namespace stargazer::testing {

using namespace std::chrono_literals;

inline Instant boot_now() {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return Instant(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

inline constexpr Duration kLong = 1h;

inline std::string keeper_path() {
  const std::vector<std::string> places = keeper_places();
  REQUIRE(access(places.front().c_str(), X_OK) == 0);
  return places.front();
}

// A directory of cgroup2 for a test, marked as systemd marks what it delegates. "" where none can be made.
class DelegatedCgroup {
 public:
  DelegatedCgroup() {
    for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
      const std::string path = std::string(mount) + "/stargazer-test-" + std::to_string(getpid());
      if (access((std::string(mount) + "/cgroup.procs").c_str(), W_OK) != 0 || mkdir(path.c_str(), 0755) != 0) continue;
      path_ = path;
      setxattr(path.c_str(), "user.delegate", "1", 1, 0);
      if (access((path + "/cgroup.kill").c_str(), W_OK) == 0) return;
      rmdir(path.c_str());
      path_.clear();
    }
  }
  ~DelegatedCgroup() {
    if (!path_.empty()) CHECK(rmdir(path_.c_str()) == 0);
  }
  DelegatedCgroup(const DelegatedCgroup&) = delete;
  DelegatedCgroup& operator=(const DelegatedCgroup&) = delete;

  const std::string& path() const { return path_; }
  std::string mode() const { return std::string(kCgroupModePrefix) + path_; }
  std::vector<std::string> groups() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      if (entry.is_directory()) found.push_back(entry.path().filename().string());
    }
    return found;
  }

 private:
  std::string path_;
};

inline bool may_make_namespaces() {
  return geteuid() == 0 && find_keeper().mode != kProcessGroupMode;
}

// Those of this machine, the weakest first; with what the last one needs.
struct Modes {
  DelegatedCgroup cgroup;
  std::vector<std::string> all{std::string(kProcessGroupMode)};

  Modes() {
    if (may_make_namespaces()) all.emplace_back(kPidNamespaceMode);
    if (!cgroup.path().empty()) all.push_back(cgroup.mode());
  }
  // All whose keeper may be stopped and yet everything dies.
  static bool strong(const std::string& mode) { return mode != kProcessGroupMode; }
};

inline KeeperSetup setup_of(const std::string& mode) {
  return {.path = keeper_path(), .obstacle = "", .mode = mode, .weakness = ""};
}

struct KeptFixture : WorkerHostFixture {
  explicit KeptFixture(const std::string& mode) : WorkerHostFixture(16384, setup_of(mode)) {
    fuse = boot_now() + kLong;
  }

  // The only keeper there is: our child that leads the group.
  pid_t keeper() const {
    const std::vector<pid_t> children = children_of_this_process();
    REQUIRE(children.size() == 1);
    return children.front();
  }
};

}  // namespace stargazer::testing
