// How the feed delivers: position, stream, gap records, selection, and what Redis refuses.
#include <set>

#include "feed/listener_watch.h"
#include "feed/position_keeper.h"
#include "support/temporary_directory.h"
#include "unit/feed_fixture.h"

using namespace stargazer;
using namespace stargazer::testing;
using namespace stargazer::testing::feed;
using namespace std::string_literals;

namespace {

// The entries of a stream: pairs of the cursor field and the parsed entry field.
std::vector<std::pair<std::string, json>> stream_of(RedisClient& client, const char* key) {
  std::vector<std::pair<std::string, json>> all;
  for (const json& item : client.ask({"XRANGE", key, "-", "+"})) {
    const json& fields = item[1];
    REQUIRE(fields.size() == 4);
    REQUIRE(fields[0] == "cursor");
    REQUIRE(fields[2] == "entry");
    all.emplace_back(fields[1], json::parse(fields[3].get<std::string>()));
  }
  return all;
}

JournalEntry with(JournalEntry entry, const std::string& name, const std::string& value) {
  entry.emplace_back(name, value);
  return entry;
}

}  // namespace

TEST_CASE("a feed that starts again goes on where it was", "[feed]") {
  const TemporaryDirectory directory;
  const TemporaryDirectory state;
  const std::string position = state.path() / "feed.cursor";
  JournalMaker journal(directory.path() / "a.journal");
  journal.append(numbered("stargazer.service", 0, 10));
  const RedisServer redis;
  RedisClient subscriber(redis);
  subscriber.subscribe();
  FeedConfig config = config_of(directory.path(), 4);
  config.units = {GENERATE("stargazer"s, "stargazer*"s)};
  {
    RunningFeed feed(config, target_of(redis), position);
    const auto all = journalctl(directory.path(), {"stargazer"});
    CHECK(subscriber.messages(4) == std::vector<json>(all.begin() + 6, all.end()));
    feed.stop();
  }
  journal.append(numbered("stargazer.service", 10, 600));
  {
    RunningFeed feed(config, target_of(redis), position);
    const auto all = journalctl(directory.path(), {"stargazer"});
    CHECK(subscriber.messages(600) == std::vector<json>(all.begin() + 10, all.end()));
    feed.stop();
    CHECK(feed->counters().entries_published == 600);
  }
  journal.append(numbered("stargazer.service", 610, 3));
  RunningFeed feed(config, target_of(redis));
  CHECK(subscriber.messages(4).front()["MESSAGE"] == "609");
  feed.stop();
}

TEST_CASE("a position that cannot be kept is said once and stops nothing", "[feed]") {
  const TemporaryDirectory directory;
  const TemporaryDirectory state;
  const auto folder = state.path() / "not-there";
  JournalMaker journal(directory.path() / "a.journal");
  journal.append(numbered("stargazer.service", 0, 3));
  const RedisServer redis;
  RedisClient subscriber(redis);
  subscriber.subscribe();
  RunningFeed feed(config_of(directory.path()), target_of(redis), folder / "feed.cursor");
  subscriber.messages(3);
  feed.wait_for_log("the position cannot be kept");
  journal.append(numbered("stargazer.service", 3, 3));
  subscriber.messages(3);
  std::filesystem::create_directory(folder);
  feed.wait_for_log("the position is kept again");
  CHECK(feed.count_logged("the position cannot be kept") == 1);
  feed.stop();
  CHECK(std::filesystem::exists(folder / "feed.cursor"));
}

TEST_CASE("the last position is written when its keeper ends", "[feed]") {
  const FeedSource source{"/x", "", {"stargazer"}};
  const std::string id(32, 'a');
  const auto position = [&id](int number) {
    const std::string cursor = "s=" + id + ";i=" + std::to_string(number) + ";b=" + id + ";m=1;t=1;x=1";
    return SavedCursor{cursor, cursor};
  };
  const auto last_written = [&](bool while_one_is_being_written) {
    const TemporaryDirectory state;
    const std::string path = state.path() / "feed.cursor";
    {
      PositionKeeper keeper(path, source);
      keeper.store(position(1));
      while (while_one_is_being_written && std::filesystem::is_empty(state.path())) std::this_thread::yield();
      for (int number = 2; number < 9; ++number) keeper.store(position(number));
    }
    const auto saved = CursorFile::load(path, source);
    REQUIRE(saved.ok());
    REQUIRE(*saved);
    return (*saved)->cursor;
  };
  for (int round = 0; round < 30; ++round) CHECK(last_written(round % 2 == 0) == position(8).cursor);
}

TEST_CASE("the stream has every entry with its cursor, and the channel as well", "[feed]") {
  const TemporaryDirectory directory;
  JournalMaker journal(directory.path() / "a.journal");
  journal.append(numbered("stargazer.service", 0, 700));
  const RedisServer redis;
  RedisClient subscriber(redis);
  subscriber.subscribe();
  FeedConfig config = config_of(directory.path());
  config.stream = "stargazer:journal:stream";
  RunningFeed feed(config, target_of(redis));
  const auto expected = journalctl(directory.path(), {"stargazer"});
  CHECK(subscriber.messages(700) == expected);
  RedisClient reader(redis);
  const auto stream = stream_of(reader, "stargazer:journal:stream");
  REQUIRE(stream.size() == 700);
  for (std::size_t i = 0; i < stream.size(); ++i) {
    REQUIRE(stream[i].second == expected[i]);
    REQUIRE(stream[i].first == expected[i]["__CURSOR"]);
  }
  feed.stop();
  CHECK(feed->counters().entries_published == 700);
  CHECK(feed->counters().receivers == 1);
  CHECK(feed->counters().batches_published >= 3);
}

TEST_CASE("an error of the server is waited out, and nothing is lost", "[feed]") {
  const TemporaryDirectory directory;
  JournalMaker journal(directory.path() / "a.journal");
  journal.append(numbered("stargazer.service", 0, 5));
  const RedisServer redis;
  RedisClient admin(redis);
  admin.command({"SET", "stargazer:journal:stream", "not a stream"});
  FeedConfig config = config_of(directory.path());
  config.stream = "stargazer:journal:stream";
  RunningFeed feed(config, target_of(redis));
  feed.wait_for_log("WRONGTYPE");
  CHECK(feed->counters().entries_published == 0);
  admin.command({"DEL", "stargazer:journal:stream"});
  feed.wait_for_log("works again");
  RedisClient subscriber(redis);
  subscriber.subscribe();
  journal.append(numbered("stargazer.service", 5, 1));
  CHECK(subscriber.message()["MESSAGE"] == "5");
  CHECK(stream_of(admin, "stargazer:journal:stream").size() == 6);
  feed.stop();
}

TEST_CASE("an entry that Redis refuses for its length is left out with a gap record", "[feed]") {
  const TemporaryDirectory directory;
  JournalMaker journal(directory.path() / "a.journal");
  JournalEntry huge = from_unit("stargazer.service", "huge");
  for (int i = 0; i < 300; ++i) huge.emplace_back("FIELD_" + std::to_string(i), std::string(4000, 'x'));
  journal.append({from_unit("stargazer.service", "before"), huge, from_unit("stargazer.service", "after")});
  const RedisServer redis({"--proto-max-bulk-len", "1mb"});
  RedisClient subscriber(redis);
  subscriber.subscribe();
  FeedConfig config = config_of(directory.path());
  SECTION("without a limit of our own") {
    config.max_entry_bytes = 0;
    RunningFeed feed(config, target_of(redis));
    CHECK(subscriber.message()["MESSAGE"] == "before");
    CHECK(subscriber.message()["MESSAGE"] == "after");
    feed.wait_for_log("redis refuses an entry for its length");
    feed.stop();
    CHECK(feed->counters().entries_refused == 1);
    CHECK(feed->counters().entries_published == 2);
    RedisClient reader(redis);
    const json gaps = reader.ask({"XRANGE", "stargazer:journal:gaps", "-", "+"});
    REQUIRE(gaps.size() == 1);
    REQUIRE(gaps[0][1][0] == "gap");
    const json gap = json::parse(gaps[0][1][1].get<std::string>());
    CHECK(gap["next"] == journalctl(directory.path(), {"stargazer"})[1]["__CURSOR"]);
    CHECK(gap["entries_max"] == 1);
    CHECK(gap["channel"] == kChannel);
  }
  SECTION("with one that is smaller it is published with a mark") {
    config.max_entry_bytes = 1000 * 1000;
    RunningFeed feed(config, target_of(redis));
    subscriber.message();
    const json cut = subscriber.message();
    CHECK(cut["MESSAGE"] == "huge");
    CHECK(cut["FIELD_0"].is_null());
    CHECK(cut["_STARGAZER_TRUNCATED"].get<std::string>().starts_with("FIELD_0,FIELD_1,"));
    CHECK(cut.dump().size() <= 1000 * 1000);
    CHECK(subscriber.message()["MESSAGE"] == "after");
    feed.stop();
    CHECK(feed->counters().entries_refused == 0);
  }
}

TEST_CASE("the selection leaves entries and fields out", "[feed]") {
  const TemporaryDirectory directory;
  JournalMaker journal(directory.path() / "a.journal");
  std::vector<JournalEntry> entries;
  for (const char* priority : {"0", "3", "4", "7"}) {
    for (const char* identifier : {"bot", "bot-web", "noise"}) {
      JournalEntry entry = {{"MESSAGE", identifier + "/"s + priority}, {"_SYSTEMD_UNIT", "stargazer.service"}};
      entries.push_back(with(with(entry, "PRIORITY", priority), "SYSLOG_IDENTIFIER", identifier));
    }
  }
  entries.push_back({{"MESSAGE", "none"}, {"_SYSTEMD_UNIT", "stargazer.service"}});
  const JournalEntry end = {{"MESSAGE", "end"}, {"_SYSTEMD_UNIT", "stargazer.service"}};
  entries.push_back(with(with(end, "SYSLOG_IDENTIFIER", "bot"), "PRIORITY", "0"));
  journal.append(entries);
  const RedisServer redis;
  RedisClient subscriber(redis);
  subscriber.subscribe();
  FeedConfig config = config_of(directory.path());
  std::vector<std::string> expected;
  std::size_t filtered = 0;
  SECTION("by priority, as journalctl -p") {
    config.max_priority = 3;
    expected = {"bot/0", "bot-web/0", "noise/0", "bot/3", "bot-web/3", "noise/3", "end"};
    filtered = 7;
  }
  SECTION("by identifier") {
    config.include_identifiers = {"bot*"};
    config.exclude_identifiers = {"*-web"};
    expected = {"bot/0", "bot/3", "bot/4", "bot/7", "end"};
    filtered = 9;
  }
  SECTION("by field, as journalctl --output-fields") {
    config.fields = {"MESSAGE", "_SYSTEMD_UNIT"};
    const auto all = parse_lines(run({"journalctl", "--directory=" + directory.path().string(), "--output=json",
                                      "--quiet", "--output-fields=MESSAGE,_SYSTEMD_UNIT"}));
    RunningFeed feed(config, target_of(redis));
    CHECK(subscriber.messages(all.size()) == all);
    feed.stop();
    return;
  }
  RunningFeed feed(config, target_of(redis));
  std::vector<std::string> found;
  while (found.empty() || found.back() != "end") found.push_back(subscriber.message()["MESSAGE"]);
  CHECK(found == expected);
  feed.stop();
  CHECK(feed->counters().entries_filtered == filtered);
}

TEST_CASE("who listens is what PUBLISH said last, and in a quiet time what Redis is asked", "[listener_watch]") {
  using Reply = RedisPipe::Reply;
  ListenerWatch watch("c", false);
  const ListenerWatch::Clock::time_point now{};
  CHECK(watch.somebody());
  watch.published(0, now);
  // One that has gone may be back at once: the question settles it, and entries that go on coming do not put it off.
  CHECK(watch.somebody());
  watch.published(0, now + ListenerWatch::kAskEvery / 2);
  CHECK(watch.ask_at() == now + ListenerWatch::kAskEvery);
  CHECK(watch.question(now).find("NUMSUB") != std::string::npos);
  CHECK(watch.ask_at() == ListenerWatch::Clock::time_point::max());
  SECTION("a subscriber of the channel") {
    watch.take({Reply::Kind::kList, 2, "c"});
    watch.take({Reply::Kind::kInteger, 0, ""});
    CHECK(watch.somebody());
  }
  SECTION("one of a pattern") {
    watch.take({Reply::Kind::kList, 0, "c"});
    CHECK(watch.asking());
    watch.take({Reply::Kind::kInteger, 1, ""});
    CHECK(watch.somebody());
  }
  SECTION("nobody") {
    watch.take({Reply::Kind::kList, 0, "c"});
    watch.take({Reply::Kind::kInteger, 0, ""});
    CHECK_FALSE(watch.somebody());
    CHECK_FALSE(watch.asking());
    watch.published(0, now);
    CHECK_FALSE(watch.somebody());
    watch.published(1, now);
    CHECK(watch.somebody());
  }
  SECTION("a user who may not ask") {
    watch.take({Reply::Kind::kError, 0, "NOPERM"});
    watch.take({Reply::Kind::kError, 0, "NOPERM"});
    CHECK(watch.ask_at() == ListenerWatch::Clock::time_point::max());
    watch.published(0, now);
    CHECK_FALSE(watch.somebody());
    watch.connected();
    CHECK(watch.somebody());
  }
  CHECK(ListenerWatch("c", true).somebody());
}
