// Where the feed is right now: a file of one block beside the position's (cursor_file.h), written over in place at
// every acknowledgement, without fsync.
//
// It outlives the daemon, however that ends, since the block is in the kernel's page cache by then: after a kill only
// what was in flight comes twice. It need not outlive the machine: a block that was half written when the power went
// has a wrong sum and counts as none, and then the position's file, which is fsynced once a second, is what is left.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "core/result.h"
#include "feed/cursor_file.h"
#include "io/unique_fd.h"

namespace stargazer {

class PositionNote {
 public:
  // Room for two cursors (Cursor::kBytesMax), a sum and a mark.
  static constexpr std::size_t kBytes = 1024;

  // What the file at `path` says; none when there is no such file, or not a whole one.
  static std::optional<SavedCursor> read(const std::string& path);

  // Opens the file, and makes it with all the room that it will need, so that a full disk cannot hold it up later.
  Status open(const std::string& path);

  // Nothing while it is not open; a write that fails closes it.
  void write(const SavedCursor& position);
  // What was noted is of no use any more.
  void forget();

 private:
  UniqueFd fd_;
};

}  // namespace stargazer
