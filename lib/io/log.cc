#include "io/log.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <functional>
#include <mutex>
#include <string_view>
#include <sys/stat.h>
#include <sys/uio.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include <systemd/sd-journal.h>

namespace stargazer {
namespace {

constexpr const char* kIdentifier = "stargazer-scheduler";

// systemd.exec(5): $JOURNAL_STREAM holds device and inode of the journal's socket.
bool stderr_is_the_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat found {};
  if (stream == nullptr || fstat(STDERR_FILENO, &found) != 0) return false;
  return std::to_string(found.st_dev) + ":" + std::to_string(found.st_ino) == stream;
}

const char* label(Priority priority) {
  switch (priority) {
    case Priority::kError: return "error  ";
    case Priority::kWarning: return "warning";
    case Priority::kNotice: return "notice ";
    case Priority::kInfo: return "info   ";
    case Priority::kDebug: return "debug  ";
  }
  return "";
}

// The length of the UTF-8 sequence that a text begins with; 0 for a byte that begins none, and for the control
// characters U+0080 to U+009F, which some terminals obey. REQUIRES: not empty.
std::size_t shown_sequence(std::string_view text) {
  const auto at = [text](std::size_t place) { return static_cast<unsigned char>(text[place]); };
  const unsigned lead = at(0);
  if (lead < 0x80) return lead < 0x20 || lead == 0x7f ? 0 : 1;
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (std::size_t place = 1; place < length; ++place) {
    if ((at(place) & 0xc0) != 0x80) return 0;
  }
  return lead == 0xc2 && at(1) < 0xa0 ? 0 : length;
}

// A worker must not be able to move the cursor of the terminal or to forge lines.
std::string printable(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = shown_sequence(text);
    if (length > 0) {
      shown += text.substr(0, length);
    } else {
      const auto byte = static_cast<unsigned char>(text[0]);
      shown += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return shown;
}

// A worker's own line (it has a STREAM) is told from ours by the name of its task.
std::string origin(const LogRecord& record) {
  const auto field = [&record](std::string_view name) {
    return std::find_if(record.fields.begin(), record.fields.end(),
                        [name](const auto& candidate) { return candidate.first == name; });
  };
  const auto task = field("TASK");
  return task == record.fields.end() || field("STREAM") == record.fields.end() ? "" : task->second + " | ";
}

// Writes a record and answers 0, or the errno of what kept it from being written.
using Writer = std::function<int(const LogRecord&)>;

// Not by stdio: a thread that hangs in a write would hold its lock, and exit(3) would wait for it.
class StderrWriter {
 public:
  int write(std::string_view text) {
    if (torn_ && ::write(STDERR_FILENO, "\n", 1) != 1) return errno;
    torn_ = false;
    while (!text.empty()) {
      const ssize_t count = ::write(STDERR_FILENO, text.data(), text.size());
      if (count < 0 && errno != EINTR) return errno;
      if (count <= 0) continue;
      text.remove_prefix(static_cast<std::size_t>(count));
      torn_ = true;
    }
    torn_ = false;
    return 0;
  }

 private:
  bool torn_ = false;  // a line was written in part
};

std::string terminal_line(const LogRecord& record) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  std::tm local{};
  localtime_r(&now.tv_sec, &local);
  std::array<char, 16> time{};
  std::array<char, 8> milliseconds{};
  std::strftime(time.data(), time.size(), "%H:%M:%S", &local);
  std::snprintf(milliseconds.data(), milliseconds.size(), ".%03d ", static_cast<int>(now.tv_nsec / 1'000'000));
  return std::string(time.data()) + milliseconds.data() + label(record.priority) + " " + origin(record) +
         printable(record.message) + "\n";
}

int write_to_journal(const LogRecord& record) {
  std::vector<std::string> assignments{"MESSAGE=" + record.message,
                                       "PRIORITY=" + std::to_string(static_cast<int>(record.priority)),
                                       std::string("SYSLOG_IDENTIFIER=") + kIdentifier};
  for (const auto& [name, value] : record.fields) assignments.emplace_back(name).append("=").append(value);
  std::vector<iovec> parts;
  parts.reserve(assignments.size());
  for (std::string& assignment : assignments) parts.push_back({assignment.data(), assignment.size()});
  return -sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
}

Writer writer_of(bool to_journal) {
  if (to_journal) return write_to_journal;
  return
      [to_stderr = StderrWriter()](const LogRecord& record) mutable { return to_stderr.write(terminal_line(record)); };
}

// Counts what cannot be written, as when the disk is full, and says so before the first line that can be.
class CountingWriter {
 public:
  explicit CountingWriter(Writer writer) : writer_(std::move(writer)) {}

  void write(const LogRecord& record) {
    if (lost_ > 0 && writer_(loss()) == 0) lost_ = 0;
    const int error = lost_ > 0 ? error_ : writer_(record);
    if (error == 0) return;
    error_ = error;
    ++lost_;
  }

 private:
  LogRecord loss() const {
    return {Priority::kWarning,
            "the log could not be written: " + std::to_string(lost_) + " lines are lost: " + std::strerror(error_),
            {}};
  }

  Writer writer_;
  std::uint64_t lost_ = 0;
  int error_ = 0;
};

std::size_t bytes_of(const LogRecord& record) {
  std::size_t bytes = record.message.size();
  for (const auto& [name, value] : record.fields) bytes += name.size() + value.size();
  return bytes;
}

// What the writing thread needs; shared with it, so that a thread which hangs in a write can be left behind.
struct Queue {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<LogRecord> records;
  std::uint64_t dropped_unsaid = 0;
  bool ending = false;
  bool ended = false;
  std::atomic<std::size_t> size = 0;
  std::atomic<std::size_t> bytes = 0;
  std::atomic<std::uint64_t> dropped = 0;
};

void write_all(const std::shared_ptr<Queue>& queue, bool to_journal) {
  CountingWriter log(writer_of(to_journal));
  std::unique_lock lock(queue->mutex);
  while (true) {
    const auto something_to_say = [&] { return !queue->records.empty() || queue->dropped_unsaid > 0; };
    queue->changed.wait(lock, [&] { return queue->ending || something_to_say(); });
    if (!something_to_say()) break;
    std::deque<LogRecord> batch = std::exchange(queue->records, {});
    const std::uint64_t dropped = std::exchange(queue->dropped_unsaid, 0);
    lock.unlock();
    for (const LogRecord& record : batch) {
      log.write(record);
      --queue->size;
      queue->bytes -= bytes_of(record);
    }
    if (dropped > 0) {
      log.write({Priority::kWarning, "the log was too slow: " + std::to_string(dropped) + " lines were dropped", {}});
    }
    lock.lock();
  }
  queue->ended = true;
  queue->changed.notify_all();
}

}  // namespace

class Log::Impl {
 public:
  Impl(LogTarget target, Priority threshold) : threshold_(threshold), queue_(std::make_shared<Queue>()) {
    const bool to_journal = target == LogTarget::kJournal || (target == LogTarget::kAuto && stderr_is_the_journal());
    thread_ = std::thread([queue = queue_, to_journal] { write_all(queue, to_journal); });
  }

  ~Impl() {
    std::unique_lock lock(queue_->mutex);
    queue_->ending = true;
    queue_->changed.notify_all();
    const bool ended = queue_->changed.wait_for(lock, std::chrono::seconds(1), [this] { return queue_->ended; });
    lock.unlock();
    if (ended) {
      thread_.join();
    } else {
      thread_.detach();
    }
  }

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void write(LogRecord record) {
    if (record.priority > threshold_) return;
    const std::lock_guard lock(queue_->mutex);
    const std::size_t bytes = bytes_of(record);
    if (queue_->size >= kQueueMax || queue_->bytes + bytes > kQueueBytesMax) {
      ++queue_->dropped;
      ++queue_->dropped_unsaid;
      return;
    }
    ++queue_->size;
    queue_->bytes += bytes;
    queue_->records.push_back(std::move(record));
    queue_->changed.notify_all();
  }

  bool congested() const { return queue_->size > kQueueMax / 2 || queue_->bytes > kQueueBytesMax / 2; }
  bool idle() const { return queue_->size == 0; }
  std::uint64_t dropped_count() const { return queue_->dropped; }

 private:
  Priority threshold_;
  std::shared_ptr<Queue> queue_;
  std::thread thread_;
};

Log::Log(LogTarget target, Priority threshold) : impl_(std::make_unique<Impl>(target, threshold)) {}
Log::~Log() = default;
void Log::write(LogRecord record) {
  impl_->write(std::move(record));
}
bool Log::congested() const {
  return impl_->congested();
}
bool Log::idle() const {
  return impl_->idle();
}
std::uint64_t Log::dropped_count() const {
  return impl_->dropped_count();
}

}  // namespace stargazer
