#include "feed/position_keeper.h"

#include <pthread.h>
#include <utility>

namespace stargazer {

PositionKeeper::PositionKeeper(std::string path, FeedSource source)
    : path_(std::move(path)), source_(std::move(source)) {
  if (!path_.empty()) thread_ = std::thread([this] { run(); });
}

PositionKeeper::~PositionKeeper() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void PositionKeeper::store(const SavedCursor& position) {
  if (path_.empty() || position.cursor.empty() || position == stored_) return;
  stored_ = position;
  {
    const std::lock_guard lock(mutex_);
    wanted_ = position;
  }
  wake_.notify_one();
}

std::optional<Status> PositionKeeper::take_result() {
  const std::lock_guard lock(mutex_);
  return std::exchange(result_, std::nullopt);
}

void PositionKeeper::run() {
  pthread_setname_np(pthread_self(), "feed-position");
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return wanted_ || ending_; });
    if (!wanted_) return;
    const SavedCursor position = *std::exchange(wanted_, std::nullopt);
    lock.unlock();
    Status status = CursorFile::save(path_, source_, position);
    lock.lock();
    const bool last = ending_;
    if (!status && !wanted_) wanted_ = position;
    result_ = std::move(status);
    if (last) return;
    wake_.wait_for(lock, kEvery, [this] { return ending_; });
  }
}

}  // namespace stargazer
