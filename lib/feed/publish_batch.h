// Entries on their way to Redis: PUBLISH commands, of which some are acknowledged. What is not, is kept to be sent
// again.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace stargazer {

class PublishBatch {
 public:
  // A batch is full at either; one entry more may pass the second.
  static constexpr std::size_t kEntriesMax = 256;
  static constexpr std::size_t kBytesMax = std::size_t{256} * 1024;

  explicit PublishBatch(std::string channel) : channel_(std::move(channel)) {}

  void add(std::string_view message);

  bool full() const { return ends_.size() >= kEntriesMax || commands_.size() >= kBytesMax; }
  bool empty() const { return ends_.empty(); }

  // The commands without an acknowledgement, and how many they are.
  std::string_view unacknowledged() const { return std::string_view(commands_).substr(begin_of(acknowledged_)); }
  std::size_t count() const { return ends_.size() - acknowledged_; }

  // Takes note that the next `count` commands are done, and returns their bytes. The batch is empty once all are.
  // REQUIRES: count <= count().
  std::size_t acknowledge(std::size_t count);

 private:
  std::size_t begin_of(std::size_t index) const { return index == 0 ? 0 : ends_[index - 1]; }

  std::string channel_;
  std::string commands_;
  std::vector<std::size_t> ends_;  // of each command in commands_
  std::size_t acknowledged_ = 0;
};

}  // namespace stargazer
