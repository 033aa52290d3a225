// Whether anything was written to the files of a journal, asked of the files themselves: two numbers in each header. It
// costs one system call a file, where to ask libsystemd for an entry costs a look-up of every match in every file.
//
// An entry is counted in the header a moment before it can be found by its fields. So a change is told twice: when it
// is seen, and the time after.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

#include "feed/journal_files.h"
#include "io/unique_fd.h"

namespace stargazer {

class GrowthWatch {
 public:
  // Of more files than this at a time nothing is known.
  static constexpr std::size_t kFilesMax = 32;

  // From now on those of `files` that are still written to.
  void watch(const std::vector<JournalFile>& files);

  // False when no file has changed since the two last calls. True also when that is not known: nothing is watched, too
  // many files, or one that cannot be read.
  bool grown();

  // Up to this number the entries of that sequence are finished: a later one has been begun, or nothing is written to
  // it any more. 0 when that is not known. Asks the files, as they are now.
  std::uint64_t finished_through(const JournalId& seqnum_id) const;

 private:
  struct File {
    std::string path;
    ino_t inode = 0;
    UniqueFd fd;
    std::array<char, 16> counts{};
  };

  bool is_watched(const std::vector<JournalFile>& files) const;
  static bool changed(File& file);

  std::vector<File> files_;
  bool known_ = false;
  bool again_ = true;
};

}  // namespace stargazer
