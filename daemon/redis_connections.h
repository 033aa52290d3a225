// The daemon's connections to its main Redis, and what works on them.
//
//   main           events, whatever else the daemon writes
//   lease          the lease alone: a burst of events or WAIT for a replica must not delay a renewal
//   announcements  listens for nodes that release the lease
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <uv.h>

#include "core/config.h"
#include "core/seams.h"
#include "io/event_sink.h"
#include "io/log.h"
#include "io/redis.h"
#include "io/redis_lease_store.h"
#include "io/shared_last_ends.h"

namespace stargazer {

class RedisConnections {
 public:
  struct Options {
    std::string node_id;
    std::string start_id;  // unique to this start of the process
    std::uint64_t seed = 0;
  };
  struct Callbacks {
    std::function<void(Input)> post;
    // Redis is reachable while both main and lease are; a cause when not. On changes only.
    std::function<void(bool reachable, const std::string& cause)> reachable;
    std::function<void(Priority, std::string)> say;
  };

  // REQUIRES: config.redis. `loop` must outlive the object, and must run once more after close().
  RedisConnections(uv_loop_t* loop, const RedisTarget& target, const Config& config, const Options& options,
                   Callbacks callbacks);
  RedisConnections(const RedisConnections&) = delete;
  RedisConnections& operator=(const RedisConnections&) = delete;

  bool reachable() const { return main_.reachable() && lease_.reachable(); }
  Redis& main() { return main_; }
  RedisLeaseStore& store() { return store_; }
  EventSink& events() { return events_; }
  SharedLastEnds& last_ends() { return last_ends_; }
  // No event is on its way, or none can be.
  bool events_settled() const;

  // Says once for each time what was lost since the last call, if anything was.
  void warn_of_lost_events();

  // Ends all three, the listener first and events last. What is in flight is dropped.
  void close();

 private:
  enum class Which { kMain, kLease };

  void state_changed(Which which, bool reachable, const std::string& cause);
  void report(bool reachable, const std::string& cause);
  void look_at_server();
  void look_at_memory();

  const std::string node_id_;
  Callbacks callbacks_;
  std::optional<bool> reported_;
  std::string reported_cause_;
  std::string main_cause_;
  std::string lease_cause_;
  std::string server_;  // whose memory was looked at last
  std::uint64_t dropped_events_ = 0;
  bool drop_warned_ = false;
  std::uint64_t fenced_events_ = 0;

  Redis main_;
  Redis lease_;
  Redis announcements_;
  RedisLeaseStore store_;
  EventSink events_;
  SharedLastEnds last_ends_;
};

}  // namespace stargazer
