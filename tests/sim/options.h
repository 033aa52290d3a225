// What one run of the simulator consists of. Everything is drawn from the seed: the configuration of the nodes and
// which faults they meet how often. Each seed enables its own mix (a swarm), because a mild form of every fault at once
// hides what one fault alone does when it is frequent.
#pragma once

#include <cstdint>
#include <string>

#include "core/config.h"
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

// What is asked of a run from outside.
struct Request {
  std::uint64_t seed = 1;
  Duration length = std::chrono::hours(1);
  std::uint32_t nodes = 3;
  std::uint32_t tasks = 20;
  Mutant mutant = Mutant::kNone;
};

// How children behave: the probability of each trait, and the longest of each duration.
struct ChildOdds {
  double spawn_fails = 0;
  double skips = 0;
  double crashes = 0;  // exit code 1
  double dies_by_signal = 0;
  double hangs = 0;  // never ends by itself
  double ignores_term = 0;
  double closes_early = 0;  // the channel, before the exit
  double holds_output = 0;  // a descendant keeps the channel open until the host gives it up
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

// Faults of the lease store and the nodes that need rules which the core does not have yet: a store that forgets its
// data, a failover to a replica, steps of the store's clock (LEASE.md rules 3, 6, 7), and nodes that are paused (the
// fuse, LEASE.md section 3.7). LEASE.md section 3.8 shows that without these rules each of them overlaps two leaders,
// so they are no part of the default swarm; StoreServer has the switch for the first.
struct Faults {
  std::int64_t drift_ppm_max = 0;
  Duration step_delay_max{};  // how late a node's event loop may come round
  ChildOdds children;
  NetworkOdds network;
  Disturbance partition;
  Disturbance store_restart;  // with its data
  Disturbance dependency_flap;
  Disturbance node_stop;   // in order, then started anew after up to length_max
  Disturbance node_crash;  // kill -9, likewise
  double second_stop = 0;  // a stop is hurried by another one
};

struct Options {
  Request request;
  Config config;    // of every node; node.id is set by each
  Duration calm{};  // the last part of the run, without faults
  Faults faults;
};

// The configuration passes check_relations; a run that was drawn otherwise counts as a violation.
Options draw_options(const Request& request);

// The faults as they are once calm has come: children work and obey, messages arrive, nothing is disturbed.
Faults calm_faults(const Faults& faults);

// On a few lines: the seed and everything drawn from it.
std::string describe(const Options& options);

}  // namespace stargazer::sim
