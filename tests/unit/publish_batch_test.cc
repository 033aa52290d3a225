#include "feed/publish_batch.h"

#include "unit/catch.h"

using namespace stargazer;

TEST_CASE("a batch keeps what is not acknowledged", "[publish_batch]") {
  PublishBatch batch("c");
  const std::string one = "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$3\r\none\r\n";
  const std::string two = "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$4\r\na\r\nb\r\n";
  CHECK(batch.empty());
  batch.add("one");
  batch.add("a\r\nb");
  CHECK(batch.unacknowledged() == one + two);
  CHECK(batch.acknowledge(1) == one.size());
  CHECK(batch.count() == 1);
  CHECK(batch.unacknowledged() == two);
  CHECK(batch.acknowledge(1) == two.size());
  CHECK(batch.empty());
}

TEST_CASE("a batch is full by entries and by bytes", "[publish_batch]") {
  PublishBatch many("c");
  for (std::size_t i = 0; i < PublishBatch::kEntriesMax; ++i) {
    REQUIRE_FALSE(many.full());
    many.add("x");
  }
  CHECK(many.full());
  PublishBatch large("c");
  large.add(std::string(PublishBatch::kBytesMax, 'x'));
  CHECK(large.full());
}
