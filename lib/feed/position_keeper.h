// Writes the feed's position to its file (cursor_file.h) from a thread of its own, so that a slow disk holds up no
// entry: at most once in kEvery while it changes, and the last one when it ends.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "core/result.h"
#include "feed/cursor_file.h"

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

  // To be written. A write that fails is tried again after kEvery, with the newest position.
  void store(const SavedCursor& position);

  // How the last write went, if one has ended since the last call.
  std::optional<Status> take_result();

 private:
  void run();

  const std::string path_;
  const FeedSource source_;
  SavedCursor stored_;  // of the thread that calls store()

  std::mutex mutex_;  // guards all that follows
  std::condition_variable wake_;
  std::optional<SavedCursor> wanted_;  // not written yet
  std::optional<Status> result_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace stargazer
