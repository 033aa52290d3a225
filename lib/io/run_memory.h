// Remembers across restarts when the tasks with persist = true last ended: `last_ends.json` in the state directory.
//
//   { "version": 1, "last_ends": { "<task>": <microseconds since 1970, UTC>, … } }
//
// Written beside the loop, whole or not at all (io/state_file.h).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <uv.h>

#include "core/result.h"
#include "core/time.h"

namespace stargazer {

class RunMemory {
 public:
  using LastEnds = std::map<std::string, WallTime>;

  // A file larger than this is not ours.
  static constexpr std::size_t kFileBytesMax = 64UL * 1024 * 1024;

  // What is remembered in `state_dir`; nothing when there is no file yet. Fails when the file cannot be read or is
  // damaged or too large; such a one is first moved aside to last_ends.json.damaged, so that nothing is lost.
  static Result<LastEnds> load(const std::string& state_dir);

  // The text of such a file. Fails, whatever the bytes, on anything but version 1, and on an end before 1970 or after
  // 2200.
  static Result<LastEnds> parse(std::string_view text);

  // Makes the directory when it is missing and tries whether a file can be written there.
  static Status check_writable(const std::string& state_dir);

  // `on_problem` is called on the loop when the state of writing changes: with the cause when it fails for the first
  // time or for a new cause, and with "" when it works again.
  RunMemory(uv_loop_t* loop, const std::string& state_dir, LastEnds known,
            std::function<void(const std::string&)> on_problem);
  ~RunMemory();
  RunMemory(const RunMemory&) = delete;
  RunMemory& operator=(const RunMemory&) = delete;

  void record(const std::string& task, WallTime end);
  // True while a write is under way or waiting; the loop goes on until it is done.
  bool busy() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stargazer
