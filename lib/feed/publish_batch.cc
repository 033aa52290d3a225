#include "feed/publish_batch.h"

#include <cassert>

#include "feed/redis_pipe.h"

namespace stargazer {

void PublishBatch::add(std::string_view message) {
  append_redis_command(commands_, {"PUBLISH", channel_, message});
  ends_.push_back(commands_.size());
}

std::size_t PublishBatch::acknowledge(std::size_t count) {
  assert(count <= this->count());
  const std::size_t before = begin_of(acknowledged_);
  acknowledged_ += count;
  const std::size_t bytes = begin_of(acknowledged_) - before;
  if (this->count() > 0) return bytes;
  // A huge entry must not hold its memory for ever.
  if (commands_.capacity() > 2 * kBytesMax) std::string().swap(commands_);
  commands_.clear();
  ends_.clear();
  acknowledged_ = 0;
  return bytes;
}

}  // namespace stargazer
