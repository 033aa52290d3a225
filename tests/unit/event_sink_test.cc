#include "io/event_sink.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <nlohmann/json.hpp>

#include "io/redis_reply.h"
#include "io/redis_stream.h"
#include "io/uuid.h"
#include "support/redis_client.h"
#include "support/redis_server.h"
#include "unit/catch.h"

using namespace std::chrono_literals;
using namespace stargazer;
using namespace stargazer::testing;
using Json = nlohmann::json;

namespace {

const WallTime kNoon{std::chrono::microseconds(1'700'000'000'000'123)};

DebugEvent numbered(int number) {
  DebugEvent event;
  event.event_type = "test";
  event.preview = std::to_string(number);
  event.timestamp = kNoon;
  return event;
}

std::map<std::string, std::string> as_map(const std::vector<std::string>& fields) {
  std::map<std::string, std::string> map;
  for (std::size_t at = 0; at + 1 < fields.size(); at += 2) map[fields[at]] = fields[at + 1];
  return map;
}

Event run_ended(Outcome outcome, std::string detail = "") {
  Event event;
  event.kind = EventKind::kRunEnded;
  event.task = "kg_decay_task";
  event.outcome = outcome;
  event.duration = 1500ms;
  event.detail = std::move(detail);
  return event;
}

// Listens on a channel; the Redis under test cannot, because it pairs each reply with a command.
class Subscriber {
 public:
  Subscriber(Loop& loop, const RedisTarget& target, const std::string& channel) : loop_(loop) {
    const auto subscribe = [this, channel] {
      CHECK(stream_->write(format_redis_command({"SUBSCRIBE", channel}).value()).ok());
    };
    const auto failed = [](const Error& error) { FAIL(error.message()); };
    stream_ = std::make_unique<RedisStream>(
        loop.get(), target, 0,
        RedisStream::Callbacks{subscribe, [this](std::string_view bytes) { received(bytes); }, failed});
    REQUIRE(stream_->start().ok());
    loop_.run_until([&] { return replies_.size() == 1; });
  }
  ~Subscriber() {
    bool gone = false;
    RedisStream::retire(std::move(stream_), [&] { gone = true; });
    loop_.run_until([&] { return gone; });
  }
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  std::string next_message() {
    const std::size_t before = replies_.size();
    loop_.run_until([&] { return replies_.size() > before; });
    return replies_.back().elements.at(2).text;
  }

 private:
  void received(std::string_view bytes) {
    REQUIRE(reader_.feed(bytes).ok());
    for (auto reply = reader_.next(); reply.ok() && reply->has_value(); reply = reader_.next()) {
      replies_.push_back(**reply);
    }
  }

  Loop& loop_;
  std::unique_ptr<RedisStream> stream_;
  RedisReplyReader reader_;
  std::vector<RedisValue> replies_;
};

// A server, a sink on it, and ways to read back what was published.
struct Fixture {
  explicit Fixture(EventsConfig config = {})
      : client(loop, unix_target(server.socket_path())), sink(client.redis, config) {}

  void wait_until_published(std::uint64_t count) {
    loop.run_until([&] { return sink.published_count() >= count; });
  }

  std::vector<std::string> keys() {
    std::vector<std::string> names;
    const auto answer = client.ask({"KEYS", "obs:*"});
    REQUIRE(answer.ok());
    for (const RedisValue& key : answer->elements) names.push_back(key.text);
    return names;
  }

  std::map<std::string, std::string> hash(const std::string& key) {
    std::vector<std::string> fields;
    const auto answer = client.ask({"HGETALL", key});
    REQUIRE(answer.ok());
    for (const RedisValue& field : answer->elements) fields.push_back(field.text);
    return as_map(fields);
  }

  std::vector<int> published_numbers() {
    std::vector<int> numbers;
    for (const std::string& key : keys()) numbers.push_back(std::stoi(hash(key)["preview"]));
    std::sort(numbers.begin(), numbers.end());
    return numbers;
  }

  Loop loop;
  RedisServer server;
  RedisClient client;
  EventSink sink;
};

}  // namespace

TEST_CASE("a run that ended becomes the source's event", "[event_sink]") {
  const auto event = task_run_event(run_ended(Outcome::kOk, "ignored"), "run-1", "node-1", kNoon);
  REQUIRE(event.has_value());
  CHECK(event->event_type == "scheduler_task_run");
  CHECK(event->source == "scheduler");
  CHECK(event->status == "ok");
  CHECK(event->duration_ms == 1500.0);
  CHECK(event->preview == "task=kg_decay_task status=ok");
  CHECK(Json::parse(event->payload) == Json{{"task", "kg_decay_task"}, {"error", ""}});
  CHECK(event->run_id == "run-1");
  CHECK(event->node_id == "node-1");
  CHECK(event->timestamp == kNoon);
}

TEST_CASE("a step of a counter is an event of its name, with its tags", "[event_sink]") {
  const DebugEvent started = counter_event({"task_started", "worker", "", 3}, "run-1", "node-1", kNoon);
  CHECK(started.event_type == "task_started");
  CHECK(started.source == "supervisor");
  CHECK(started.status == "ok");
  CHECK(started.preview == "task_name=worker");
  CHECK(Json::parse(started.payload) == Json{{"task_name", "worker"}, {"count", 3}});
  CHECK(started.run_id == "run-1");
  CHECK(started.node_id == "node-1");
  const DebugEvent crashed = counter_event({"task_crash", "worker", "Key\xff", 1}, "run-1", "node-1", kNoon);
  CHECK(crashed.status == "error");
  CHECK(crashed.preview == "task_name=worker error=Key\xef\xbf\xbd");
  CHECK(Json::parse(crashed.payload)["error"] == "Key\xef\xbf\xbd");
}

TEST_CASE("each outcome has its status and its error", "[event_sink]") {
  const auto [outcome, detail, status, error] = GENERATE(table<Outcome, std::string, std::string, std::string>({
      {Outcome::kSkipped, "nothing to do", "ok", ""},
      {Outcome::kFailed, "exit code 3", "error", "exit code 3"},
      {Outcome::kTimedOut, "", "error", "timed_out"},
      {Outcome::kSpawnFailed, "not found", "error", "not found"},
  }));
  const auto event = task_run_event(run_ended(outcome, detail), "r", "n", kNoon);
  REQUIRE(event.has_value());
  CHECK(event->status == status);
  CHECK(Json::parse(event->payload)["error"] == error);
}

TEST_CASE("a cancelled run and other events are not published", "[event_sink]") {
  CHECK_FALSE(task_run_event(run_ended(Outcome::kCancelled), "r", "n", kNoon).has_value());
  Event started = run_ended(Outcome::kOk);
  started.kind = EventKind::kRunStarted;
  CHECK_FALSE(task_run_event(started, "r", "n", kNoon).has_value());
}

TEST_CASE("a hash and a message say the same", "[event_sink]") {
  DebugEvent event{"type", "source", "phase", "ok", 12.5, "a \"preview\"", R"({"n": 1, "deep": [true]})",
                   kNoon,  "n1",     "r1"};
  const auto rendered = render(event, "an id");
  auto fields = as_map(rendered.fields);
  CHECK(fields.size() == 10);
  CHECK(fields["duration_ms"] == "12.5");
  CHECK(fields["timestamp"] == "1700000000.000123");
  CHECK(fields["payload"] == event.payload);
  const Json message = Json::parse(rendered.message);
  CHECK(message.size() == 11);
  CHECK(message["id"] == "an id");
  CHECK(message["preview"] == "a \"preview\"");
  CHECK(message["duration_ms"] == 12.5);
  CHECK(message["payload"]["deep"][0] == true);
  for (const auto& [name, value] : fields) {
    INFO(name);
    REQUIRE(message.contains(name));
    if (message[name].is_string()) CHECK(message[name] == value);
  }
}

TEST_CASE("whatever an event holds, its message is valid JSON within the limits", "[event_sink]") {
  DebugEvent event = numbered(1);
  event.preview = std::string(100'000, '\xc3');
  event.run_id = "\xff\n";
  event.duration_ms = std::nan("");
  event.timestamp = WallTime(std::chrono::microseconds(-5));
  event.payload = GENERATE(std::string(), std::string("not json \xff"), std::string(50'000, '['),
                           std::string(50'000, '[') + std::string(10'000, ']'), std::string(200'000, 'x'));
  const auto rendered = render(event, "id");
  const Json message = Json::parse(rendered.message, nullptr, false);
  REQUIRE_FALSE(message.is_discarded());
  CHECK(message["duration_ms"] == 0.0);
  CHECK(message["run_id"] == "\xef\xbf\xbd\n");
  CHECK(rendered.message.size() < 100'000);
  CHECK(Json::accept(as_map(rendered.fields)["payload"]));
}

TEST_CASE("a payload that nests to its limit is passed on without being followed", "[event_sink]") {
  DebugEvent event = numbered(1);
  event.payload = std::string(32'000, '[') + std::string(32'000, ']');
  CHECK(as_map(render(event, "id").fields)["payload"] == event.payload);
}

TEST_CASE("a long error is cut", "[event_sink]") {
  const auto event = task_run_event(run_ended(Outcome::kFailed, std::string(100'000, 'e')), "r", "n", kNoon);
  CHECK(Json::parse(event->payload)["error"].get<std::string>().size() == EventSink::kErrorBytesMax);
}

TEST_CASE("a UUID is of version 4 and new each time", "[event_sink]") {
  const std::string uuid = random_uuid();
  REQUIRE(uuid.size() == 36);
  for (const std::size_t at : {8U, 13U, 18U, 23U}) CHECK(uuid[at] == '-');
  CHECK(uuid[14] == '4');
  CHECK(std::string("89ab").find(uuid[19]) != std::string::npos);
  CHECK(std::count(uuid.begin(), uuid.end(), '-') == 4);
  CHECK(uuid != random_uuid());
}

TEST_CASE("an event arrives as a hash with a ttl", "[event_sink]") {
  Fixture fixture;
  fixture.client.wait_until_reachable();
  fixture.sink.publish(*task_run_event(run_ended(Outcome::kOk), "r", "n", kNoon));
  CHECK(fixture.sink.published_count() == 0);
  CHECK(fixture.sink.in_flight_count() == 1);
  fixture.wait_until_published(1);
  CHECK(fixture.sink.in_flight_count() == 0);
  const auto keys = fixture.keys();
  REQUIRE(keys.size() == 1);
  CHECK(keys[0].size() == std::string("obs:").size() + 36);
  auto hash = fixture.hash(keys[0]);
  CHECK(hash.size() == 10);
  CHECK(hash["event_type"] == "scheduler_task_run");
  CHECK(hash["duration_ms"] == "1500.0");
  const auto ttl_ms = fixture.client.ask({"PTTL", keys[0]})->integer;
  CHECK(ttl_ms > 6 * 86'400'000LL);
  CHECK(ttl_ms <= 7 * 86'400'000LL);
}

TEST_CASE("a ttl of zero keeps the hash for ever", "[event_sink]") {
  EventsConfig config;
  config.ttl = 0s;
  Fixture fixture(config);
  fixture.client.wait_until_reachable();
  fixture.sink.publish(numbered(1));
  fixture.wait_until_published(1);
  CHECK(fixture.client.ask({"PTTL", fixture.keys().at(0)})->integer == -1);
}

TEST_CASE("the message reaches a subscriber, with the id of its hash", "[event_sink]") {
  Fixture fixture;
  fixture.client.wait_until_reachable();
  Subscriber subscriber(fixture.loop, fixture.client.redis.target(), "stargazer:observability");
  fixture.sink.publish(numbered(42));
  const Json message = Json::parse(subscriber.next_message());
  CHECK(message["preview"] == "42");
  CHECK(message["event_type"] == "test");
  CHECK(fixture.keys().at(0) == "obs:" + message["id"].get<std::string>());
}

TEST_CASE("while Redis is away events wait, in order, and the oldest beyond the limit are dropped", "[event_sink]") {
  EventsConfig config;
  config.queue_max = 20;
  Fixture fixture(config);
  fixture.client.wait_until_reachable();
  fixture.server.kill();
  fixture.client.wait_for_state(2);
  for (int number = 0; number < 50; ++number) fixture.sink.publish(numbered(number));
  CHECK(fixture.sink.waiting_count() == 20);
  CHECK(fixture.sink.in_flight_count() == 0);
  CHECK(fixture.sink.dropped_count() == 30);

  fixture.server.start();
  fixture.client.wait_for_state(3);
  fixture.sink.redis_reachable();
  CHECK(fixture.sink.in_flight_count() == EventSink::kInFlightMax);
  fixture.wait_until_published(20);
  const auto numbers = fixture.published_numbers();
  REQUIRE(numbers.size() == 20);
  CHECK(numbers.front() == 30);
  CHECK(numbers.back() == 49);
  CHECK(fixture.sink.waiting_count() == 0);
}

TEST_CASE("events in flight when the connection breaks are sent again, under the same id", "[event_sink]") {
  Fixture fixture;
  fixture.client.wait_until_reachable();
  fixture.server.pause();
  for (int number = 0; number < 40; ++number) fixture.sink.publish(numbered(number));
  CHECK(fixture.sink.in_flight_count() == EventSink::kInFlightMax);
  CHECK(fixture.sink.waiting_count() == 40 - EventSink::kInFlightMax);
  fixture.server.kill();
  fixture.client.wait_for_state(2);
  CHECK(fixture.sink.in_flight_count() == 0);
  CHECK(fixture.sink.waiting_count() == 40);
  fixture.server.start();
  fixture.client.wait_for_state(3);
  fixture.sink.redis_reachable();
  fixture.wait_until_published(40);
  CHECK(fixture.published_numbers().size() == 40);
  CHECK(fixture.sink.dropped_count() == 0);
}

TEST_CASE("an event that Redis refuses is dropped with its reason, and the next one goes on", "[event_sink]") {
  Fixture fixture;
  fixture.client.wait_until_reachable();
  CHECK(fixture.client.ask({"CONFIG", "SET", "maxmemory", "1"}).ok());
  fixture.sink.publish(numbered(1));
  fixture.loop.run_until([&] { return fixture.sink.dropped_count() == 1; });
  CHECK(fixture.sink.last_error().find("OOM") != std::string::npos);
  CHECK(fixture.client.ask({"CONFIG", "SET", "maxmemory", "0"}).ok());
  fixture.sink.publish(numbered(2));
  fixture.wait_until_published(1);
  CHECK(fixture.published_numbers() == std::vector<int>{2});
}

TEST_CASE("an event in the name of the current term is published whole", "[event_sink]") {
  Fixture fixture;
  fixture.client.wait_until_reachable();
  CHECK(fixture.client.ask({"SET", "lease", "n"}).ok());
  CHECK(fixture.client.ask({"HSET", term_key("lease"), "epoch", "7"}).ok());
  Subscriber subscriber(fixture.loop, fixture.client.redis.target(), "stargazer:observability");
  fixture.sink.publish(numbered(42), Fence{"lease", "n", 7});
  const Json message = Json::parse(subscriber.next_message());
  CHECK(message["preview"] == "42");
  fixture.wait_until_published(1);
  const std::string key = fixture.keys().at(0);
  CHECK(key == "obs:" + message["id"].get<std::string>());
  CHECK(fixture.hash(key).size() == 10);
  CHECK(fixture.client.ask({"PTTL", key})->integer > 6 * 86'400'000LL);
}

TEST_CASE("an event in the name of a term that is over is counted and not published", "[event_sink]") {
  Fixture fixture;
  fixture.client.wait_until_reachable();
  CHECK(fixture.client.ask({"SET", "lease", "other"}).ok());
  CHECK(fixture.client.ask({"HSET", term_key("lease"), "epoch", "8"}).ok());
  fixture.sink.publish(numbered(1), Fence{"lease", "n", 7});
  fixture.sink.publish(numbered(2));
  fixture.wait_until_published(1);
  CHECK(fixture.sink.fenced_count() == 1);
  CHECK(fixture.sink.dropped_count() == 0);
  CHECK(fixture.sink.in_flight_count() == 0);
  CHECK(fixture.sink.last_error().find("FENCED the term of epoch 7 is over: the lease is held by other") == 0);
  CHECK(fixture.published_numbers() == std::vector<int>{2});
}
