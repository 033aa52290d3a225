// Entries on their way to Redis: the commands of a bounded number of batches, in their order, of which some are sent
// and some of those acknowledged. What is not acknowledged is kept to be sent again.
//
//   item   = an entry: [XADD of the stream] PUBLISH, or a gap record: XADD
//   batch  = the items of one turn, and the position that is reached once all of them are acknowledged
//
// An entry goes to the stream first: what the channel has, the stream has. These are two commands and not a script for a
// whole batch, which sends the JSON once but costs Redis half as much time again, since Lua copies every argument.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "feed/cursor_file.h"
#include "feed/out_buffer.h"

namespace stargazer {

class PublishWindow {
 public:
  // A batch is full at either, the window at either of the others; one entry more may pass a number of bytes.
  static constexpr std::size_t kBatchEntriesMax = 256;
  static constexpr std::size_t kBatchBytesMax = std::size_t{128} * 1024;
  static constexpr std::size_t kBatchesMax = 12;
  static constexpr std::size_t kBytesMax = std::size_t{1024} * 1024;
  // The stream of gap records keeps about so many.
  static constexpr unsigned kGapRecordsMax = 1000;
  // No server is told to refuse less (the least value of proto-max-bulk-len).
  static constexpr std::size_t kRefusableBytesMin = std::size_t{1024} * 1024;

  enum class Expected { kInteger, kText };

  // What an acknowledgement has finished.
  struct Done {
    std::size_t entries = 0;
    std::size_t bytes = 0;  // of the entry's JSON
    std::size_t batches = 0;
  };

  explicit PublishWindow(const FeedConfig& config);

  // True while one more item may be added to the batch that is being filled.
  bool may_add() const;

  // The buffer to which the JSON of the entry with this cursor is to be appended; nothing else is called until it is,
  // and then one of the two that follow.
  OutBuffer& begin_entry(std::string_view cursor);
  void end_entry();
  void abandon_entry();

  void add_gap_record(std::string_view json);

  // Ends the batch that is being filled; `position` is what has been read so far. Without an item there is no batch,
  // and the position is reached as soon as all before it is.
  void end_batch(const SavedCursor& position);

  bool empty() const { return count_ == 0; }

  // What is to be sent next; "" = all of it is on its way.
  std::string_view unsent() const;
  void sent(std::size_t bytes);

  // The reply that comes next. REQUIRES: !empty().
  Expected expected() const;
  // Takes note of it.
  Done acknowledge();

  // After a failure: all that is not acknowledged counts as not sent.
  void rewind();

  // The cursor of the first item without an acknowledgement, if the server may have refused it for its length.
  std::optional<std::string> refusable_cursor() const;
  // Puts a gap record in its place. REQUIRES: refusable_cursor(); rewind() was called; json is shorter than 64 KiB.
  void replace_refused(std::string_view json);

  // Beyond which nothing is acknowledged; changes only when all of a batch is.
  const SavedCursor& position() const { return position_; }

 private:
  struct Item {
    std::size_t begin = 0;  // of its commands in Batch::commands
    std::size_t end = 0;
    std::size_t json_bytes = 0;
    bool is_entry = false;
  };
  struct Batch {
    OutBuffer commands;
    std::vector<Item> items;
    std::size_t acknowledged = 0;  // items
    std::size_t sent = 0;          // bytes
    SavedCursor position;
  };

  Batch& filling() { return batches_[(first_ + count_) % kBatchesMax]; }
  const Batch& filling() const { return batches_[(first_ + count_) % kBatchesMax]; }
  Batch& at(std::size_t index) { return batches_[(first_ + index) % kBatchesMax]; }
  const Batch& at(std::size_t index) const { return batches_[(first_ + index) % kBatchesMax]; }
  std::string gap_command(std::string_view json) const;
  void release_first();

  const bool has_stream_;
  const std::string publish_head_;  // up to the length of the message
  const std::string stream_head_;   // up to the length of the cursor
  const std::string gaps_head_;     // up to the length of the record

  std::array<Batch, kBatchesMax> batches_;  // a ring; one of them is being filled
  std::size_t first_ = 0;
  std::size_t count_ = 0;  // of those that are ended
  std::size_t bytes_ = 0;  // of their commands
  std::size_t sending_ = 0;
  bool stream_acknowledged_ = false;  // of the first item without an acknowledgement
  std::size_t length_at_ = 0;         // of the entry that is being added: where its length is to be written
  std::size_t item_begin_ = 0;
  int digits_ = 4;  // of the last entry's length, the best guess for the next
  SavedCursor position_;
};

}  // namespace stargazer
