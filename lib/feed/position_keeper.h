// Keeps the feed's position, in two ways. Each change goes at once into a note beside the file (position_note.h), which
// outlives the daemon but perhaps not the machine; and at most once in kEvery, and at the end, the newest one goes into
// the file (cursor_file.h), from a thread of its own, so that a slow disk holds up no entry.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "core/result.h"
#include "feed/cursor_file.h"
#include "feed/position_note.h"

namespace stargazer {

class PositionKeeper {
 public:
  static constexpr std::chrono::seconds kEvery{1};

  // `path`: "" = nothing is kept, and there is no thread. May throw std::system_error when the thread cannot be
  // started.
  PositionKeeper(std::string path, FeedSource source);
  // Writes what is not written yet.
  ~PositionKeeper();
  PositionKeeper(const PositionKeeper&) = delete;
  PositionKeeper& operator=(const PositionKeeper&) = delete;

  // Where to go on: the newer one of the file and its note; none at the first start. Fails when there is a file that
  // cannot be used (CursorFile::load): then it is a first start, too. To be called before store(), and once.
  Result<std::optional<SavedCursor>> load();

  // To be written. A write that fails is tried again after kEvery, with the newest position.
  void store(const SavedCursor& position);

  // How the last write went, if one has ended since the last call.
  std::optional<Status> take_result();

 private:
  void run();

  const std::string path_;
  const FeedSource source_;
  PositionNote note_;
  SavedCursor stored_;  // of the thread that calls store()

  std::mutex mutex_;  // guards all that follows
  std::condition_variable wake_;
  std::optional<SavedCursor> wanted_;  // not written yet
  std::optional<Status> result_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace stargazer
