// Publishes debug events to Redis (SPEC section 6): a hash `obs:<uuid>` and a message on `stargazer:observability`.
//
// Publishing never delays a run. Events wait in a bounded queue while Redis is away or slow; when it is full the oldest
// is dropped, because the newest tells what is the case, and counted. Each event is one script, so that a hash without
// its message, or without its time to live, cannot be. An event whose answer was lost with the connection is sent again
// under the same id: its hash is the same, its message may appear twice.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "core/config.h"
#include "core/counters.h"
#include "core/event.h"
#include "io/fence.h"
#include "io/redis.h"

namespace stargazer {

struct DebugEvent {
  std::string event_type;
  std::string source;
  std::string phase;
  std::string status;
  double duration_ms = 0;
  std::string preview;
  std::string payload = "{}";  // JSON; what is not JSON is published as a JSON string
  WallTime timestamp{};
  std::string node_id;
  std::string run_id;
};

// The `scheduler_task_run` event of a run that has ended: ok when it did its work or had none to do, else error with
// the cause. None for a cancelled run, as in the source, and for an event that is not kRunEnded.
std::optional<DebugEvent> task_run_event(const Event& event, const std::string& run_id, const std::string& node_id,
                                         WallTime at);

// One step of a counter as an event: its name is the type, its tags and the count since the start are the payload.
DebugEvent counter_event(const Counted& counted, const std::string& run_id, const std::string& node_id, WallTime at);

// What is published: `fields` of the hash, and the message, a JSON object with the same fields, `payload` nested, and
// "id". Every text is valid UTF-8 and within the limits of EventSink.
struct RenderedEvent {
  std::vector<std::string> fields;  // name, value, name, value, …
  std::string message;
};
RenderedEvent render(const DebugEvent& event, const std::string& id);

class EventSink {
 public:
  static constexpr std::size_t kInFlightMax = 16;
  static constexpr int kAttemptsMax = 3;             // of one event; then it is dropped
  static constexpr std::size_t kNameBytesMax = 256;  // event_type, source, phase, status, node_id, run_id
  static constexpr std::size_t kPreviewBytesMax = 512;
  static constexpr std::size_t kErrorBytesMax = 4096;  // of a task's error in the payload
  static constexpr std::size_t kPayloadBytesMax =
      std::size_t{64} * 1024;  // a larger one is replaced by {"truncated_bytes": N}

  // `redis` must outlive the sink; the sink must live until redis has been closed.
  EventSink(Redis& redis, EventsConfig config);
  EventSink(const EventSink&) = delete;
  EventSink& operator=(const EventSink&) = delete;

  // Queues an event and sends it as soon as Redis takes it. Never fails, never waits. With a `fence` Redis takes it
  // only while that term is the current one; otherwise it is dropped and counted.
  void publish(DebugEvent event, std::optional<Fence> fence = std::nullopt);

  // To be called when `redis` has become reachable: sends what waits.
  void redis_reachable();

  std::uint64_t published_count() const { return published_count_; }
  // Events lost to a full queue, to an error reply, or after kAttemptsMax attempts.
  std::uint64_t dropped_count() const { return dropped_count_; }
  // Events that the fence refused: they come from a term that is over. Not among the dropped ones.
  std::uint64_t fenced_count() const { return fenced_count_; }
  // Events not yet sent, and sent ones not yet answered.
  std::size_t waiting_count() const { return queue_.size(); }
  std::size_t in_flight_count() const { return in_flight_.size(); }
  // Why the last event was refused by Redis; "" when none was.
  const std::string& last_error() const { return last_error_; }

 private:
  struct Entry {
    std::uint64_t sequence = 0;
    std::string id;
    DebugEvent event;
    std::optional<Fence> fence;
    int attempts = 0;
  };

  void send_waiting();
  void send(Entry entry);
  std::vector<std::string> command_for(const Entry& entry) const;
  void answered(std::uint64_t sequence, const Result<RedisValue>& answer);
  void put_back(Entry entry);
  void drop_beyond_limit();

  Redis& redis_;
  EventsConfig config_;
  std::deque<Entry> queue_;      // by sequence
  std::deque<Entry> in_flight_;  // by sequence
  std::uint64_t sequence_ = 0;
  std::uint64_t published_count_ = 0;
  std::uint64_t dropped_count_ = 0;
  std::uint64_t fenced_count_ = 0;
  std::string last_error_;
};

}  // namespace stargazer
