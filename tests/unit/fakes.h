// The three seams as scripts: each fake only records what was asked of it, and the test posts what follows.
#pragma once

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "core/seams.h"

namespace stargazer {

// An instant by its distance from the moment at which a test begins.
constexpr Instant at(Duration since_begin) {
  return Instant(since_begin);
}

// So that a failed comparison can be read.
inline std::ostream& operator<<(std::ostream& out, Instant instant) {
  return out << instant.time_since_epoch().count() << " ns";
}

class FakeClock : public Clock {
 public:
  Instant now() const override { return time; }
  WallTime wall_now() const override { return wall_time; }
  void wake_at(Instant when) override { wake = when; }

  Instant time{};
  WallTime wall_time{};
  Instant wake = kNever;  // what was last asked for
};

class FakeLeaseStore : public LeaseStore {
 public:
  void observe(LeaseRequestId id) override { record("observe", id); }
  void acquire(LeaseRequestId id, const LeaseClaim& claim) override {
    record("acquire", id);
    last_claim = claim;
  }
  void renew(LeaseRequestId id, std::uint64_t) override { record("renew", id); }
  void recreate(LeaseRequestId id, const LeaseClaim& claim) override {
    record("recreate", id);
    last_claim = claim;
  }
  void release(LeaseRequestId id) override { record("release", id); }

  // "observe", "acquire", "renew", "recreate" and "release" since the last call, in order.
  std::vector<std::string> take_requests() { return std::exchange(requests_, {}); }

  std::string last_action;
  LeaseRequestId last_id = 0;
  LeaseClaim last_claim;

 private:
  void record(const char* action, LeaseRequestId id) {
    requests_.emplace_back(action);
    last_action = action;
    last_id = id;
  }

  std::vector<std::string> requests_;
};

class FakeWorkerHost : public WorkerHost {
 public:
  Status spawn(const SpawnRequest& request) override {
    if (!refusal.empty()) return Error(refusal);
    spawned.push_back(request);
    record("spawn " + request.name, request.run);
    return {};
  }
  void stop(RunId run, StopSignal signal, const std::string& why) override {
    last_why = why;
    record(signal == StopSignal::kKill ? "KILL" : "TERM", run);
  }
  void close_channel(RunId run) override { record("close", run); }
  void extend_fuse(Instant when) override { fuse = when; }

  // "spawn NAME 1", "TERM 1", "KILL 1", "close 1" since the last call, in order.
  std::vector<std::string> take_calls() { return std::exchange(calls_, {}); }

  std::string last_why;  // of stop
  std::string refusal;   // unless empty: no worker can be started, for this cause
  std::vector<SpawnRequest> spawned;
  Instant fuse = kNever;  // as it was last moved

 private:
  void record(const std::string& call, RunId run) { calls_.push_back(call + " " + std::to_string(run.number)); }

  std::vector<std::string> calls_;
};

}  // namespace stargazer
