#include "daemon/redis_connections.h"

#include <utility>

#include "io/eviction.h"
#include "io/fence.h"

namespace stargazer {
namespace {

Redis::Options connection_options(const RedisConfig& config, std::uint64_t seed) {
  Redis::Options options;
  options.command_timeout = config.command_timeout;
  options.seed = seed;
  return options;
}

Redis::Options listener_options(const Config& config, std::uint64_t seed,
                                std::function<void(const std::string&)> on_message) {
  Redis::Options options = connection_options(*config.redis, seed);
  options.channel = announcement_channel(config.lease.key);
  options.on_message = std::move(on_message);
  return options;
}

RedisLeaseStore::Options store_options(const Config& config, const RedisConnections::Options& options) {
  const LeaseTimes times = lease_times(config.lease);
  return {config.lease.key, options.node_id, options.start_id, times.ttl, times.request_timeout, config.lease.replicas};
}

}  // namespace

RedisConnections::RedisConnections(uv_loop_t* loop, const RedisTarget& target, const Config& config,
                                   const Options& options, Callbacks callbacks)
    : node_id_(options.node_id),
      callbacks_(std::move(callbacks)),
      main_(loop, target, connection_options(*config.redis, options.seed),
            [this](bool up, const std::string& cause) { state_changed(Which::kMain, up, cause); }),
      lease_(loop, target, connection_options(*config.redis, options.seed + 1),
             [this](bool up, const std::string& cause) { state_changed(Which::kLease, up, cause); }),
      announcements_(loop, target,
                     listener_options(config, options.seed + 2,
                                      [this](const std::string& released_by) {
                                        if (released_by != node_id_) callbacks_.post(LeaseAnnounced{});
                                      }),
                     nullptr),
      store_(lease_, store_options(config, options), [this](Input input) { callbacks_.post(std::move(input)); }),
      events_(main_, config.events),
      last_ends_(loop, main_, config.lease.key, options.node_id,
                 {[this](LastEndsLearnt learnt) { callbacks_.post(std::move(learnt)); },
                  [this](const std::string& problem) {
                    callbacks_.say(Priority::kWarning, "when the cluster last ran its tasks cannot be read (" +
                                                           problem + "): tasks with run_on = \"leader\" wait");
                  }}) {}

void RedisConnections::state_changed(Which which, bool reachable, const std::string& cause) {
  (which == Which::kMain ? main_cause_ : lease_cause_) = cause;
  if (which == Which::kMain && reachable) {
    last_ends_.redis_reachable();
    events_.redis_reachable();
  }
  if (which == Which::kLease && reachable) look_at_server();
  if (this->reachable()) return report(true, "");
  // One that is merely the slower of two to connect is not away.
  const std::string& shown = main_cause_.empty() ? lease_cause_ : main_cause_;
  if (!shown.empty()) report(false, shown);
}

void RedisConnections::report(bool reachable, const std::string& cause) {
  if (reported_ == reachable && reported_cause_ == cause) return;
  reported_ = reachable;
  reported_cause_ = cause;
  callbacks_.reachable(reachable, cause);
}

// What may happen to the lease's keys is a matter of the server's configuration: looked at once for each server.
void RedisConnections::look_at_server() {
  lease_.command({"INFO", "server"}, [this](const Result<RedisValue>& info) {
    if (!info) return;
    if (std::string server = info_value(info->text, "run_id"); server != server_) {
      server_ = std::move(server);
      look_at_memory();
    }
  });
}

void RedisConnections::look_at_memory() {
  lease_.command({"INFO", "memory"}, [this](const Result<RedisValue>& info) {
    if (std::string warning = eviction_warning(info); !warning.empty()) {
      callbacks_.say(Priority::kWarning, std::move(warning));
    }
  });
}

bool RedisConnections::events_settled() const {
  return !main_.reachable() || events_.waiting_count() + events_.in_flight_count() == 0;
}

void RedisConnections::warn_of_lost_events() {
  const std::uint64_t dropped = events_.dropped_count();
  if (dropped > dropped_events_ && !drop_warned_) {
    callbacks_.say(
        Priority::kWarning,
        "the queue of events (events.queue_max) is full: the oldest are dropped until redis takes them again");
  }
  drop_warned_ = dropped > dropped_events_;
  dropped_events_ = dropped;
  const std::uint64_t fenced = events_.fenced_count();
  if (fenced > 0 && fenced_events_ == 0) {
    callbacks_.say(Priority::kWarning,
                   "Redis refused the event of a run whose term as leader is over; further ones are only counted");
  }
  fenced_events_ = fenced;
}

void RedisConnections::close() {
  last_ends_.close();
  announcements_.close([] {});
  lease_.close([] {});
  main_.close([] {});
}

}  // namespace stargazer
