// Remembers across restarts what the node knows of the lease: `lease.json` in the state directory.
//
//   { "version": 1, "epoch": <the highest ever seen>, "server": "<the Redis that it was seen in>" }
//
// Written beside the loop, whole or not at all (io/state_file.h).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <uv.h>

#include "core/lease_rules.h"
#include "core/result.h"
#include "io/state_file.h"

namespace stargazer {

class LeaseMemoryFile {
 public:
  // A file larger than this is not ours.
  static constexpr std::size_t kFileBytesMax = 4096;
  static constexpr std::size_t kServerBytesMax = 256;
  // What Redis can count to, one by one (io/redis_lease_store.h).
  static constexpr std::uint64_t kEpochMax = (std::uint64_t{1} << 53U) - 1;

  // What is remembered in `state_dir`; nothing when there is no file yet. Fails when the file cannot be read or is
  // damaged or too large; such a one is first moved aside to lease.json.damaged.
  static Result<LeaseMemory> load(const std::string& state_dir);

  // The text of such a file. Fails, whatever the bytes, on anything but version 1, on an epoch that is not a whole
  // number up to kEpochMax, and on a server that is not printable ASCII of at most kServerBytesMax.
  static Result<LeaseMemory> parse(std::string_view text);

  // `on_problem` as in StateFile.
  LeaseMemoryFile(uv_loop_t* loop, const std::string& state_dir, LeaseMemory known,
                  std::function<void(const std::string&)> on_problem);

  // Writes `memory` when it differs from what was stored or loaded last.
  void store(const LeaseMemory& memory);
  // True while a write is under way or waiting; the loop goes on until it is done.
  bool busy() const { return file_.busy(); }

 private:
  LeaseMemory memory_;
  StateFile file_;
};

}  // namespace stargazer
