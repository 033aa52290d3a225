// The daemon's log: structured fields in the journal when systemd runs us, readable lines on a terminal otherwise.
//
// A thread of its own writes, so that a journald that is stopped or a terminal that is not read never holds up the
// loop. Its queue is bounded: when it is full a record is dropped and counted, and the next record that fits says how
// many were. So does the first line that can be written again after some could not, as when the disk is full. Workers'
// output is not dropped: whoever reads it asks congested() first and stops reading while it is true.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace stargazer {

// The values are syslog's, see sd-daemon(3).
enum class Priority : std::uint8_t { kError = 3, kWarning = 4, kNotice = 5, kInfo = 6, kDebug = 7 };

// One line. Field names are those of the journal: upper case, digits and underscores, not starting with one.
struct LogRecord {
  Priority priority = Priority::kInfo;
  std::string message;
  std::vector<std::pair<std::string, std::string>> fields;
};

enum class LogTarget : std::uint8_t {
  kAuto,      // kJournal when stderr is connected to the journal ($JOURNAL_STREAM, systemd.exec(5)), else kTerminal
  kJournal,   // sd_journal_sendv
  kTerminal,  // lines on stderr: time, priority, task, message
};

class Log {
 public:
  // Records waiting for the writer, and their bytes; beyond either they are dropped.
  static constexpr std::size_t kQueueMax = 8192;
  static constexpr std::size_t kQueueBytesMax = std::size_t{8} * 1024 * 1024;

  Log(LogTarget target, Priority threshold);
  // Writes what is queued, waiting for at most a second, and ends the thread.
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Queues a record whose priority is at or above the threshold. Never blocks; may be called from any thread.
  void write(LogRecord record);

  // True while more than half of the queue is used, by records or by bytes.
  bool congested() const;
  // True while nothing waits to be written.
  bool idle() const;
  std::uint64_t dropped_count() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stargazer
