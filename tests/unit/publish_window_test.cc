#include "feed/publish_window.h"

#include "unit/catch.h"

using namespace stargazer;

namespace {

FeedConfig config_of(const std::string& stream = "") {
  FeedConfig config;
  config.channel = "c";
  config.stream = stream;
  config.stream_max_length = 7;
  return config;
}

void add(PublishWindow& window, const std::string& json, const std::string& cursor = "s=1") {
  window.begin_entry(cursor).append(json);
  window.end_entry();
}

SavedCursor at(const std::string& cursor) {
  return {cursor, cursor};
}

std::string take_all(PublishWindow& window) {
  std::string all;
  while (!window.unsent().empty()) {
    const std::string_view part = window.unsent();
    all += part;
    window.sent(part.size());
  }
  return all;
}

std::string publish(const std::string& json) {
  return "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$" + std::to_string(json.size()) + "\r\n" + json + "\r\n";
}

}  // namespace

TEST_CASE("an entry is a PUBLISH with its exact length", "[publish_window]") {
  PublishWindow window(config_of());
  std::string expected;
  for (const std::size_t size : {5U, 9U, 10U, 999U, 1000U, 9999U, 10000U, 3U}) {
    add(window, std::string(size, 'x'));
    expected += publish(std::string(size, 'x'));
  }
  window.begin_entry("s=1").append("left out");
  window.abandon_entry();
  CHECK(window.empty());
  CHECK(window.unsent().empty());
  window.end_batch(at("s=2"));
  CHECK(take_all(window) == expected);
}

TEST_CASE("with a stream an entry is an XADD before its PUBLISH, and done after both", "[publish_window]") {
  PublishWindow window(config_of("k"));
  add(window, "{\"a\":\"b\"}");
  window.end_batch(at("s=1"));
  CHECK(take_all(window) ==
        "*10\r\n$4\r\nXADD\r\n$1\r\nk\r\n$6\r\nMAXLEN\r\n$1\r\n~\r\n$1\r\n7\r\n$1\r\n*\r\n$6\r\ncursor\r\n$3\r\ns=1\r\n"
        "$5\r\nentry\r\n$9\r\n{\"a\":\"b\"}\r\n" +
            publish("{\"a\":\"b\"}"));
  CHECK(window.expected() == PublishWindow::Expected::kText);
  CHECK(window.acknowledge().entries == 0);
  CHECK(window.position().cursor.empty());
  CHECK(window.expected() == PublishWindow::Expected::kInteger);
  const auto done = window.acknowledge();
  CHECK(done.entries == 1);
  CHECK(done.bytes == 9);
  CHECK(done.batches == 1);
  CHECK(window.position() == at("s=1"));
}

TEST_CASE("after a failure all from the first entry without an acknowledgement is sent again", "[publish_window]") {
  PublishWindow window(config_of("k"));
  add(window, "one");
  add(window, "two");
  window.end_batch(at("s=2"));
  add(window, "three");
  window.end_batch(at("s=3"));
  const std::string all = take_all(window);
  window.acknowledge();
  window.acknowledge();
  window.acknowledge();  // the XADD of "two": without its PUBLISH it counts for nothing
  window.rewind();
  const std::string again = take_all(window);
  CHECK(again == all.substr(all.size() - again.size()));
  CHECK(again.find("one") == std::string::npos);
  CHECK(again.find("two") != std::string::npos);
  CHECK(window.position().cursor.empty());
  for (int replies = 0; replies < 2; ++replies) window.acknowledge();
  CHECK(window.position() == at("s=2"));
  for (int replies = 0; replies < 2; ++replies) window.acknowledge();
  CHECK(window.position() == at("s=3"));
  CHECK(window.empty());
}

TEST_CASE("a turn without items moves the position after all before it", "[publish_window]") {
  PublishWindow window(config_of());
  window.end_batch(at("s=1"));
  CHECK(window.position() == at("s=1"));
  add(window, "one");
  window.end_batch(at("s=2"));
  window.end_batch(at("s=3"));
  CHECK(window.position() == at("s=1"));
  window.acknowledge();
  CHECK(window.position() == at("s=3"));
}

TEST_CASE("the window is bounded by entries, batches and bytes", "[publish_window]") {
  PublishWindow window(config_of());
  SECTION("a batch by entries") {
    for (std::size_t i = 0; i < PublishWindow::kBatchEntriesMax; ++i) {
      REQUIRE(window.may_add());
      add(window, "x");
    }
    CHECK_FALSE(window.may_add());
    window.end_batch(at("s=1"));
    CHECK(window.may_add());
  }
  SECTION("a batch by bytes") {
    add(window, std::string(PublishWindow::kBatchBytesMax, 'x'));
    CHECK_FALSE(window.may_add());
  }
  SECTION("all together by batches") {
    std::size_t batches = 0;
    for (; window.may_add(); ++batches) {
      add(window, "x");
      window.end_batch(at("s=1"));
    }
    CHECK(batches == PublishWindow::kBatchesMax - 1);
    window.acknowledge();
    CHECK(window.may_add());
  }
  SECTION("all together by bytes") {
    add(window, std::string(PublishWindow::kBytesMax, 'x'));
    window.end_batch(at("s=1"));
    CHECK_FALSE(window.may_add());
    window.acknowledge();
    CHECK(window.may_add());
  }
}

TEST_CASE("a gap record takes the place of an entry that is refused for its length", "[publish_window]") {
  PublishWindow window(config_of());
  const std::string huge =
      R"({"MESSAGE":"\"__CURSOR\":\"no","__CURSOR":"s=2","X":")" + std::string(PublishWindow::kRefusableBytesMin, 'x');
  add(window, "one");
  CHECK_FALSE(window.refusable_cursor());
  add(window, huge);
  add(window, "three");
  window.end_batch(at("s=3"));
  CHECK_FALSE(window.refusable_cursor());
  window.acknowledge();
  window.rewind();
  REQUIRE(window.refusable_cursor() == "s=2");
  window.replace_refused("{}");
  CHECK_FALSE(window.refusable_cursor());
  CHECK(take_all(window) ==
        "*8\r\n$4\r\nXADD\r\n$6\r\nc:gaps\r\n$6\r\nMAXLEN\r\n$1\r\n~\r\n$4\r\n1000\r\n$1\r\n*\r\n$3\r\ngap\r\n$2\r\n{}"
        "\r\n" +
            publish("three"));
  CHECK(window.expected() == PublishWindow::Expected::kText);
  CHECK(window.acknowledge().entries == 0);
  CHECK(window.expected() == PublishWindow::Expected::kInteger);
  window.acknowledge();
  CHECK(window.position() == at("s=3"));
}
