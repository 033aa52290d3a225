// What one run of the simulator consists of. Everything is drawn from the seed: the configuration of the nodes and
// which faults they meet how often. Each seed enables its own mix (a swarm), because a mild form of every fault at once
// hides what one fault alone does when it is frequent.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "core/config.h"
#include "core/lease_rules.h"
#include "core/random.h"
#include "sim/timeline.h"

namespace stargazer::sim {

// A part of the world that is broken on purpose, to show that the checker sees it. tests/sim/mutants does the same to
// the core.
enum class Mutant : std::uint8_t {
  kNone,
  kTwoLeaders,  // the store grants the lease to whoever asks
  kShortTtl,    // the store keeps a lease for half of its ttl
  kImmortal,    // children survive KILL
  kOverlap,     // the host reports an exit a minute before the process is gone
};

// By name, as on the command line ("two-leaders", …); false for an unknown one.
bool parse_mutant(const std::string& name, Mutant& mutant);

// The rules that the fakes keep for their part, each of which can be switched off, as LeaseRules.
struct FakeRules {
  bool compare_owner = true;  // 1: renew and release compare the holder and its start
  bool compare_claim = true;  // 3: acquire and recreate compare the epoch, the count of grants and the server
  bool fuse = true;           // 5
  bool fence = true;          // 11
};

// All that is broken on purpose in one run.
struct Broken {
  Mutant mutant = Mutant::kNone;
  LeaseRules rules;
  FakeRules fakes;
  bool only_count = false;  // what is found: the run goes on (findings.h)
};

// What is asked of a run from outside.
struct Request {
  std::uint64_t seed = 1;
  Duration length = std::chrono::hours(1);
  std::uint32_t nodes = 3;
  std::uint32_t tasks = 20;
  Broken broken;
};

// How children behave: the probability of each trait, and the longest of each duration.
struct ChildOdds {
  double spawn_fails = 0;
  double skips = 0;
  double crashes = 0;  // exit code 1
  double dies_by_signal = 0;
  double hangs = 0;  // never ends by itself
  double ignores_term = 0;
  bool workers_stay = false;  // supervised children end only when asked to
  double closes_early = 0;    // the channel, before the exit
  double holds_output = 0;    // a descendant keeps the channel open until the host gives it up
  Duration run_max{};
  Duration worker_run_max{};  // of a supervised worker
  Duration term_delay_max{};
  Duration kill_delay_max{};
  Duration report_delay_max{};  // from the death of a process until the host knows
};

// How messages between a node and the lease store fare.
struct NetworkOdds {
  Duration usual_max{};
  double slow = 0;  // takes up to slow_max, which may be longer than a request's timeout
  Duration slow_max{};
  double lose_request = 0;
  double lose_reply = 0;
  double duplicate = 0;  // arrives a second time, later; only the first is answered
  double error = 0;      // the store answers with an error
};

// Something that comes again and again, at random: on average after `every`, for up to `length_max`. 0 = never.
struct Disturbance {
  Duration every{};
  Duration length_max{};
};

enum class FaultKind : std::uint8_t {
  kPartition,      // a node is cut off from the store, one way or both
  kStoreRestart,   // with its data; away for length
  kStoreDataLoss,  // likewise, without its data
  kStoreFlush,     // all data gone, but the server is the same
  kStoreFailover,  // a replica takes over without the last writes
  kStoreStep,      // of the store's wall clock; length is how far, either way
  kStoreTwoSteps,  // back, and forward by as much within a few seconds
  kDependencyFlap,
  kNodeStop,      // in order, then started anew after length
  kNodeCrash,     // kill -9, likewise
  kDaemonStop,    // SIGSTOP, SIGCONT after length
  kKeeperStop,    // likewise, of the keepers of a node's workers
  kWorkerStop,    // likewise, of the workers
  kMachinePause,  // the machine stands still and does not notice
};
inline constexpr std::size_t kFaultKindCount = 14;

// "partition", …
const char* name_of(FaultKind kind);

struct Faults {
  std::int64_t drift_ppm_max = 0;
  Duration step_delay_max{};  // how late a node's event loop may come round
  ChildOdds children;
  NetworkOdds network;
  std::array<Disturbance, kFaultKindCount> disturbances;
  double second_stop = 0;        // a stop is hurried by another one
  double aimed = 0;              // a fault of a node befalls the leader, instead of any
  double state_lost = 0;         // a node that comes back has lost its state directory
  Duration failover_lag_max{};   // what a replica may not know
  Duration replica_clock_off{};  // the clock of another host, either way, at most

  Disturbance& of(FaultKind kind) { return disturbances[static_cast<std::size_t>(kind)]; }
  const Disturbance& of(FaultKind kind) const { return disturbances[static_cast<std::size_t>(kind)]; }
};

struct Options {
  Request request;
  Config config;    // of every node; node.id is set by each
  Duration calm{};  // the last part of the run, without faults
  Faults faults;
  Duration boot_spread = std::chrono::seconds(5);  // within which the nodes start, and then connect
  bool fixed_node_id = false;                      // a node has the same id in every life
  // How soon after the last fault workers of the lease are active again (I6, I7), in the calm and wherever no fault
  // happens for so long; zero: that is not looked at.
  Duration recovery_max{};
};

// The configuration passes check_relations; a run that was drawn otherwise counts as a violation.
Options draw_options(const Request& request);

// The faults as they are once calm has come: children work and obey, messages arrive, nothing is disturbed.
Faults calm_faults(const Faults& faults);

// Whether some fault makes two active sets of workers inevitable: only the fence helps then.
bool overlaps_happen(const Faults& faults);

// On a few lines: the seed and everything drawn from it.
std::string describe(const Options& options);

}  // namespace stargazer::sim
