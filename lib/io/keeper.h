// The daemon's side of stargazer-keeper: finding it, starting workers under it, and moving their fuses. What the two
// say to each other is in io/keeper_protocol.h.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "io/spawn.h"
#include "io/unique_fd.h"

namespace stargazer {

// What is known of stargazer-keeper on this machine.
struct KeeperSetup {
  std::string path;      // "" = there is none that works
  std::string obstacle;  // why, then
  std::string mode;      // how it ends a worker with its descendants: its first argument, see io/keeper_protocol.h
  std::string weakness;  // why not in a stronger way; "" = there is none
};

// The program that posix_spawnp would execute for argv[0] `name`. Fails when there is none.
Result<std::string> find_program(const std::string& name);

// Starts a form of stargazer-keeper that says through one more pipe, the last of its descriptors after `more`, why it
// could not start the worker. Waits until it has said so or has executed the worker, for at most five seconds. One that
// could not and had to be killed is added to `untidy`, for it may have left a control group.
Result<SpawnedProcess> spawn_through_keeper(const std::vector<std::string>& argv,
                                            const std::vector<std::string>& environment,
                                            const std::string& working_directory, std::vector<UniqueFd> more,
                                            std::vector<pid_t>& untidy);

// The places where it may lie: beside this program (a build tree), then where it is installed.
std::vector<std::string> keeper_places();

// Looks for it and lets it try what it can do. Waits for that, for at most five seconds.
KeeperSetup find_keeper(const std::vector<std::string>& places = keeper_places());

// One line for the log: which mode is in force, what it means for a worker's descendants, and why it is not a stronger
// one. Or that there is no keeper, and what follows from that.
std::string keeper_line(const KeeperSetup& setup);

// The workers that run under keepers. A keeper's pid is also that of the worker's process group.
// REQUIRES: SIGPIPE is ignored in this process, for a keeper may end at any time.
class KeptWorkers {
 public:
  explicit KeptWorkers(KeeperSetup setup) : setup_(std::move(setup)) {}

  // As spawn_process, under a keeper whose fuse burns at `fuse`. Waits until the program has been executed or not, for
  // at most five seconds. Fails also when there is no keeper, when it cannot do its part, or `fuse` has passed.
  // `cgroup`: where its control group is made, if the keeper makes one; "" = where the probe said. That of another
  // place is the caller's to kill and to remove.
  Result<SpawnedProcess> spawn(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                               const std::string& working_directory, Instant fuse, const std::string& cgroup = "");

  // Whether keepers make control groups.
  bool uses_cgroups() const { return !cgroup_directory().empty(); }

  // Moves every fuse. One that cannot be told, because its keeper is stopped, keeps what it was told before.
  void extend(Instant fuse);

  // The keeper has exited or been killed: what is left in its worker's control group is killed. Does nothing for the
  // pid of another process. REQUIRES: it is not reaped yet.
  void ended(pid_t keeper);

  // Removes the control groups that have become empty. Those that have not are looked at again at the next call.
  void tidy();

 private:
  std::string cgroup_directory() const;

  KeeperSetup setup_;
  std::map<pid_t, UniqueFd> fuses_;  // by keeper; the writing ends of the pipes
  std::vector<pid_t> untidy_;        // keepers that have ended, but whose control groups are still there
};

}  // namespace stargazer
