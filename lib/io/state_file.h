// A small file in the state directory that is at every moment either the old one or the new one, whole.
//
// Written by a thread of libuv's pool, so that a slow disk does not hold up the loop: a temporary file, fsync, rename.
// One write is under way at a time; what changes meanwhile goes into the next one.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <uv.h>

#include "core/result.h"

namespace stargazer {

// Writes `text` to "PATH.new", fsyncs it, renames it to PATH and fsyncs the directory: once this has succeeded, the new
// file is what a power cut leaves. Fails when one of these steps does; before the rename the old file is untouched.
Status replace_file(const std::string& path, const std::string& text);

// The text of a file; none when there is no such file. Fails when it is not a regular file or cannot be read; one that
// is larger than `bytes_max` reads as "", which no parser of ours takes.
Result<std::optional<std::string>> read_state_file(const std::string& path, std::size_t bytes_max);

// Keeps a file that cannot be used as PATH.damaged, so that nothing is lost.
void move_damaged_aside(const std::string& path);

class StateFile {
 public:
  // `render` gives the text to be written; it is called on the loop, when a write begins. `on_problem` is called on the
  // loop when the state of writing changes: with the cause when it fails for the first time or for a new cause, and
  // with "" when it works again.
  StateFile(uv_loop_t* loop, std::string path, std::function<std::string()> render,
            std::function<void(const std::string&)> on_problem);
  // REQUIRES: !busy().
  ~StateFile();
  StateFile(const StateFile&) = delete;
  StateFile& operator=(const StateFile&) = delete;

  // What is to be written has changed.
  void changed();
  // True while a write is under way or waiting; the loop goes on until it is done.
  bool busy() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stargazer
