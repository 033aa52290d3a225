// The feed with real parts: journals made by systemd-journal-remote, a redis-server, and journalctl as the judge.
#include "feed/feed.h"

#include <algorithm>

#include "feed/journal_reader.h"
#include "support/temporary_directory.h"
#include "unit/feed_fixture.h"

using namespace stargazer;
using namespace stargazer::testing;
using namespace stargazer::testing::feed;
using namespace std::string_literals;
using nlohmann::json;

namespace {

// What a wait that a stop request does not interrupt would take at least (RedisPipe, FeedLoop): a stop that takes less
// has interrupted it.
constexpr std::chrono::milliseconds kUninterrupted{1900};

std::vector<JournalEntry> of_every_kind() {
  const std::string unit = "stargazer.service";
  std::vector<JournalEntry> entries;
  for (const auto& message :
       {""s, "plain"s, "two\nlines\n"s, "tab\t\"quote\" back\\slash /"s, "nul\0byte"s, "\x1B[31mred\x1B[0m"s, "cr\r"s,
        "\xC3\x28 bad"s, "\xED\xA0\x80"s, "\xEF\xBF\xBE"s, "gr\xC3\xBC\xC3\x9F \xF0\x9F\x9A\x80 \xE2\x80\xA8"s,
        std::string(4087, 'x'), std::string(4088, 'x'), std::string(4087, '\xFF'), std::string(4088, '\xFF'),
        std::string(300000, 'y'), std::string("\x7F")}) {
    entries.push_back(from_unit(unit, message));
  }
  JournalEntry repeated = from_unit(unit, "repeated");
  for (const auto& tag : {"ok"s, "\x1B[1m"s, std::string(5000, 'z'), "last"s}) repeated.emplace_back("TAG", tag);
  entries.push_back(repeated);
  JournalEntry wide = from_unit(unit, "wide");
  for (int i = 0; i < 500; ++i) wide.emplace_back("FIELD_" + std::to_string(i), std::string(200, '\x01'));
  entries.push_back(wide);
  return entries;
}

// Of each: one that belongs to stargazer.service and one that only looks so.
std::vector<JournalEntry> of_every_match() {
  const std::string unit = "stargazer.service";
  const std::string coredump = "fc2e22bc6ee647b6b90729ab34a250b1";
  const auto manager = "/init.scope"s;
  return {
      {{"MESSAGE", "own"}, {"_SYSTEMD_UNIT", unit}},
      {{"MESSAGE", "other's"}, {"_SYSTEMD_UNIT", "stargazer-other.service"}},
      {{"MESSAGE", "started"}, {"_PID", "1"}, {"_SYSTEMD_CGROUP", manager}, {"_UID", "0"}, {"UNIT", unit}},
      {{"MESSAGE", "forged start"}, {"_PID", "7"}, {"_SYSTEMD_CGROUP", "/x"}, {"_UID", "0"}, {"UNIT", unit}},
      {{"MESSAGE", "core"}, {"MESSAGE_ID", coredump}, {"_UID", "0"}, {"COREDUMP_UNIT", unit}},
      {{"MESSAGE", "forged core"}, {"MESSAGE_ID", coredump}, {"_UID", "1000"}, {"COREDUMP_UNIT", unit}},
      {{"MESSAGE", "no core"}, {"_UID", "0"}, {"COREDUMP_UNIT", unit}},
      {{"MESSAGE", "suppressed 5"}, {"_UID", "0"}, {"OBJECT_SYSTEMD_UNIT", unit}},
      {{"MESSAGE", "forged object"}, {"_UID", "1000"}, {"OBJECT_SYSTEMD_UNIT", unit}},
      {{"MESSAGE", "in the slice"}, {"_SYSTEMD_UNIT", "a.service"}, {"_SYSTEMD_SLICE", "stargazer.slice"}},
      {{"MESSAGE", "no unit"}},
  };
}

}  // namespace

TEST_CASE("the feed publishes what journalctl prints, entry by entry", "[feed]") {
  const TemporaryDirectory directory;
  JournalMaker journal(directory.path() / "a.journal");
  journal.append(of_every_kind());
  journal.append(of_every_match());
  const auto units = GENERATE(values<std::vector<std::string>>(
      {{"stargazer"}, {"stargazer.slice"}, {"stargazer", "stargazer-other.service"}, {"stargazer*"}, {"*"}}));
  auto expected = journalctl(directory.path(), units);
  // Of a directory, systemd 257 believes a core dump that any user reports; the feed keeps to root's.
  std::erase_if(expected,
                [](const json& entry) { return entry.count("MESSAGE") > 0 && entry["MESSAGE"] == "forged core"; });
  REQUIRE_FALSE(expected.empty());

  const RedisServer redis;
  RedisClient subscriber(redis);
  subscriber.subscribe();
  FeedConfig config = config_of(directory.path());
  config.units = units;
  RunningFeed feed(config, target_of(redis));
  for (const json& entry : expected) REQUIRE(subscriber.message() == entry);

  feed.stop();
  CHECK(feed->counters().entries_published == expected.size());
  CHECK(feed->counters().entries_skipped == 0);
  CHECK(feed->counters().redis_failures == 0);
}

TEST_CASE("the feed follows a journal that grows and changes its files", "[feed]") {
  const TemporaryDirectory directory;
  JournalMaker first(directory.path() / "a.journal");
  first.append(numbered("stargazer.service", 0, 20));
  const RedisServer redis;
  RedisClient subscriber(redis);
  subscriber.subscribe();
  RunningFeed feed(config_of(directory.path(), 5), target_of(redis));

  const auto backlog = journalctl(directory.path(), {"stargazer"});
  CHECK(subscriber.messages(5) == std::vector<json>(backlog.end() - 5, backlog.end()));

  SECTION("in the same file") {
    first.append(numbered("stargazer.service", 20, 700));
    const auto all = journalctl(directory.path(), {"stargazer"});
    CHECK(subscriber.messages(700) == std::vector<json>(all.begin() + 20, all.end()));
  }
  SECTION("in a new file, and with the old one gone") {
    JournalMaker second(directory.path() / "b.journal", 1'700'001'000'000'000);
    second.append(numbered("stargazer.service", 20, 3));
    const auto all = journalctl(directory.path(), {"stargazer"});
    CHECK(subscriber.messages(3) == std::vector<json>(all.begin() + 20, all.end()));
    std::filesystem::remove(directory.path() / "a.journal");
    second.append(numbered("stargazer.service", 23, 3));
    const auto rest = journalctl(directory.path(), {"stargazer"});
    CHECK(subscriber.messages(3) == std::vector<json>(rest.begin() + 3, rest.end()));
  }
  feed.stop();
}

TEST_CASE("a backlog of none starts with what comes", "[feed]") {
  const TemporaryDirectory directory;
  JournalMaker journal(directory.path() / "a.journal");
  journal.append(numbered("stargazer.service", 0, 3));
  JournalReader reader({"stargazer"}, directory.path().string());
  REQUIRE(reader.open({}).ok());
  REQUIRE_FALSE(*reader.next());
  journal.append(numbered("stargazer.service", 3, 1));
  REQUIRE(reader.process().ok());
  REQUIRE(*reader.next());
  OutBuffer entry;
  REQUIRE(*reader.append_entry(entry));
  CHECK(json::parse(entry.view()) == journalctl(directory.path(), {"stargazer"}).back());
  CHECK_FALSE(*reader.next());
}

TEST_CASE("the first burst of a unit that has no entries yet is complete", "[feed]") {
  const TemporaryDirectory directory;
  JournalMaker journal(directory.path() / "a.journal");
  journal.append(numbered("other.service", 0, 10));
  const RedisServer redis;
  RedisClient subscriber(redis);
  subscriber.subscribe();
  FeedConfig config = config_of(directory.path());
  config.units = {GENERATE("stargazer"s, "stargazer-*"s)};
  RunningFeed feed(config, target_of(redis));
  feed.wait_for_log("publishes");
  journal.append(numbered(config.units[0] == "stargazer" ? "stargazer.service" : "stargazer-web.service", 0, 300));
  const auto expected = journalctl(directory.path(), config.units);
  REQUIRE(expected.size() == 300);
  CHECK(subscriber.messages(300) == expected);
  feed.stop();
}

TEST_CASE("a unit that a glob matches later is published whole, and nothing twice", "[feed]") {
  const TemporaryDirectory directory;
  JournalMaker journal(directory.path() / "a.journal");
  journal.append(numbered("stargazer-a.service", 0, 10));
  const RedisServer redis;
  RedisClient subscriber(redis);
  subscriber.subscribe();
  FeedConfig config = config_of(directory.path());
  config.units = {"stargazer-*"};
  RunningFeed feed(config, target_of(redis));
  std::vector<json> seen = subscriber.messages(10);

  // The entries of the new unit stand between those of the old one, which are read before the new unit is known.
  std::vector<JournalEntry> mixed;
  for (int i = 0; i < 100; ++i) {
    mixed.push_back(from_unit("stargazer-a.service", "a" + std::to_string(i)));
    mixed.push_back(from_unit("stargazer-b.service", "b" + std::to_string(i)));
  }
  journal.append(mixed);
  journal.append(numbered("stargazer-a.service", 1000, 1));
  auto expected = journalctl(directory.path(), config.units);
  REQUIRE(expected.size() == 211);
  for (json& message : subscriber.messages(201)) seen.push_back(std::move(message));
  journal.append(numbered("stargazer-b.service", 2000, 1));
  seen.push_back(subscriber.message());
  expected.push_back(journalctl(directory.path(), config.units).back());
  CHECK(seen.back() == expected.back());

  const auto by_cursor = [](const json& left, const json& right) { return left["__CURSOR"] < right["__CURSOR"]; };
  std::sort(seen.begin(), seen.end(), by_cursor);
  std::sort(expected.begin(), expected.end(), by_cursor);
  CHECK(seen == expected);
  feed.stop();
}

TEST_CASE("nothing is lost while Redis is away", "[feed]") {
  const TemporaryDirectory directory;
  JournalMaker journal(directory.path() / "a.journal");
  journal.append(numbered("stargazer.service", 0, 10));
  // The feed has a user of its own, which a restarted Redis does not know before the test says so: thus the subscriber
  // is there first.
  const auto admit = [](RedisClient& client) {
    client.command({"ACL", "SETUSER", "feed", "on", ">hush-hush", "resetchannels", "&stargazer:*", "+publish"});
  };
  RedisServer redis;
  auto subscriber = std::make_unique<RedisClient>(redis);
  admit(*subscriber);
  subscriber->subscribe();
  RedisTarget target = target_of(redis);
  target.username = "feed";
  target.password = "hush-hush";
  RunningFeed feed(config_of(directory.path()), target);
  CHECK(subscriber->messages(10) == journalctl(directory.path(), {"stargazer"}));

  redis.kill();
  feed.wait_for_log("the journal keeps the entries");
  journal.append(numbered("stargazer.service", 10, 1000));
  redis.start();
  subscriber = std::make_unique<RedisClient>(redis);
  RedisClient admin(redis);
  subscriber->subscribe();
  admit(admin);

  const auto all = journalctl(directory.path(), {"stargazer"});
  CHECK(subscriber->messages(1000) == std::vector<json>(all.begin() + 10, all.end()));
  feed.wait_for_log("works again");
  CHECK(feed.count_logged("the journal keeps the entries") == 1);
  CHECK(feed.count_logged("hush-hush") == 0);
  CHECK(feed->counters().redis_failures >= 1);
  CHECK(feed->counters().entries_published == 1010);
  feed.stop();
}

TEST_CASE("a Redis that stops answering gets the batch again", "[feed]") {
  const TemporaryDirectory directory;
  JournalMaker journal(directory.path() / "a.journal");
  journal.append(numbered("stargazer.service", 0, 1));
  const RedisServer redis;
  RedisClient subscriber(redis);
  subscriber.subscribe();
  RunningFeed feed(config_of(directory.path()), target_of(redis));
  subscriber.message();

  redis.pause();
  journal.append(numbered("stargazer.service", 1, 600));
  feed.wait_for_log("no answer in time");
  redis.resume();
  // What was in flight may come twice, but always in order and without a gap.
  int newest = 0;
  while (newest < 600) {
    const int number = std::stoi(subscriber.message()["MESSAGE"].get<std::string>());
    REQUIRE(number <= newest + 1);
    newest = std::max(newest, number);
  }
  feed.wait_for_log("works again");
  feed.stop();
}

TEST_CASE("a refused login is reported without the password", "[feed]") {
  const TemporaryDirectory directory;
  JournalMaker(directory.path() / "a.journal").append(numbered("stargazer.service", 0, 1));
  const RedisServer redis({"--requirepass", "right-password"});
  RedisTarget target = target_of(redis);
  target.password = "wrong-password";
  RunningFeed feed(config_of(directory.path()), target);
  feed.wait_for_log("login: WRONGPASS");
  CHECK(feed.count_logged("-password") == 0);
  feed.stop();
  CHECK(feed->counters().entries_published == 0);
}

TEST_CASE("a journal that is not there yet is waited for", "[feed]") {
  const TemporaryDirectory directory;
  const auto late = directory.path() / "late";
  const RedisServer redis;
  RedisClient subscriber(redis);
  subscriber.subscribe();
  if (GENERATE(false, true)) std::filesystem::create_directory(late);
  RunningFeed feed(config_of(late, 2), target_of(redis));
  feed.wait_for_log("looking again every 2 s");
  std::filesystem::create_directory(late);
  std::size_t expected = 0;
  SECTION("of its old entries the backlog is published") {
    JournalMaker(late / "a.journal").append(numbered("stargazer.service", 0, 5));
    expected = 2;
  }
  SECTION("all entries since the start are published") {
    const auto now = std::chrono::system_clock::now().time_since_epoch() + std::chrono::seconds(1);
    const auto usec = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
    JournalMaker(late / "a.journal", static_cast<std::uint64_t>(usec)).append(numbered("stargazer.service", 0, 5));
    expected = 5;
  }
  const auto all = journalctl(late, {"stargazer"});
  CHECK(subscriber.messages(expected) == std::vector<json>(all.end() - static_cast<long>(expected), all.end()));
  feed.wait_for_log("the journal can be read");
  CHECK(feed.count_logged("looking again") == 1);
  feed.stop();
}

TEST_CASE("a stop request interrupts whatever the feed waits for", "[feed]") {
  const TemporaryDirectory directory;
  JournalMaker journal(directory.path() / "a.journal");
  journal.append(numbered("stargazer.service", 0, 3));
  RedisServer redis;
  RedisClient subscriber(redis);
  subscriber.subscribe();

  SECTION("new entries") {
    RunningFeed feed(config_of(directory.path()), target_of(redis));
    subscriber.messages(3);
    CHECK(feed.stop() < kUninterrupted);
  }
  SECTION("a journal") {
    RunningFeed feed(config_of(directory.path() / "none"), target_of(redis));
    feed.wait_for_log("looking again");
    CHECK(feed.stop() < kUninterrupted);
  }
  SECTION("a Redis that is not there") {
    redis.kill();
    RunningFeed feed(config_of(directory.path()), target_of(redis));
    feed.wait_for_log("the journal keeps the entries");
    CHECK(feed.stop() < kUninterrupted);
  }
  SECTION("a Redis that accepts and does not answer") {
    redis.pause();
    RunningFeed feed(config_of(directory.path()), target_of(redis));
    feed.wait_for_log("publishes");
    CHECK(feed.stop() < kUninterrupted);
  }
  SECTION("the answers to a batch") {
    RunningFeed feed(config_of(directory.path()), target_of(redis));
    subscriber.messages(3);
    redis.pause();
    journal.append(numbered("stargazer.service", 3, 3));
    CHECK(feed.stop() < kUninterrupted);
  }
  SECTION("an address that does not answer") {
    RedisTarget target;
    target.host = "192.0.2.1";  // of RFC 5737: nobody has it
    RunningFeed feed(config_of(directory.path()), target);
    feed.wait_for_log("publishes");
    CHECK(feed.stop() < kUninterrupted);
  }
}

TEST_CASE("a feed without units ends at once", "[feed]") {
  FeedConfig config;
  config.units.clear();
  RunningFeed feed(config, RedisTarget{});
  CHECK(feed.ended().ok());
}
