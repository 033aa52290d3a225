#include "feed/position_keeper.h"

#include <pthread.h>
#include <utility>

#include "feed/cursor.h"

namespace stargazer {

namespace {

// The last entry that was acknowledged.
Result<Cursor> last_of(const SavedCursor& saved) {
  return Cursor::parse(saved.through.empty() ? saved.cursor : saved.through);
}

bool is_older(const SavedCursor& note, const SavedCursor& file) {
  const auto noted = last_of(note);
  const auto filed = last_of(file);
  return !noted || !filed || filed->is_after(*noted);
}

}  // namespace

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

Result<std::optional<SavedCursor>> PositionKeeper::load() {
  if (path_.empty()) return std::optional<SavedCursor>();
  const std::string note_path = path_ + ".now";
  auto saved = CursorFile::load(path_, source_);
  const auto noted = PositionNote::read(note_path);
  const Status opened = note_.open(note_path);
  if (!saved || !*saved) {
    note_.forget();  // it may be one in another journal
  } else if (noted && !is_older(*noted, **saved)) {
    saved = noted;
  }
  if (!opened) result_ = opened.error().in("after a kill entries of the last second will come again");
  return saved;
}

void PositionKeeper::store(const SavedCursor& position) {
  if (path_.empty() || position.cursor.empty() || position == stored_) return;
  stored_ = position;
  note_.write(position);
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
    const bool last = ending_;  // as of now: what is stored while this one is being written has its own turn
    lock.unlock();
    Status status = CursorFile::save(path_, source_, position);
    lock.lock();
    if (!status && !wanted_) wanted_ = position;
    result_ = std::move(status);
    if (last) return;
    wake_.wait_for(lock, kEvery, [this] { return ending_; });
  }
}

}  // namespace stargazer
