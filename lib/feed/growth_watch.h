// Whether anything was written to the files of a journal, asked of the files themselves: two numbers in each header. It
// costs one system call a file, where to ask libsystemd for an entry costs a look-up of every match in every file.
//
// An entry is counted in the header a moment before it can be found by its fields. So a change is told twice: when it
// is seen, and the time after. The moment is longer when journald loses its processor in it, and libsystemd does not
// look again into a file at whose end it was while that counts as many entries. So it is also told when the counts have
// stood still for a while: then whoever has not found the last one seeks.
//
// journald writes to several files in turn, one for the system and one for each user, each entry with a higher number.
// libsystemd looks into one file after the other, and not again into one at whose end it was as long as that counts as
// many entries: while we look, an entry can come to the first file, and a newer one to the second, of which only the
// newer is found, and the older one is passed by for good (seen with 252). It looks afresh after a seek, so whoever
// reads says when it seeks, and asks of what it finds after that whether it has to seek once more.
#pragma once

#include <cstdint>
#include <optional>
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
  // What was counted has settled when so many calls in a row have seen no change.
  static constexpr int kSettledAfter = 4;

  // From now on those of `files` that are still written to.
  void watch(const std::vector<JournalFile>& files);

  // False when no file has changed since the two last calls. True also when that is not known: nothing is watched, too
  // many files, or one that cannot be read.
  bool grown();

  // Whether what was counted has settled in the last call of grown(): true once after each change.
  bool settled() const { return known_ && quiet_calls_ == kSettledAfter; }

  // The highest number of an entry that the files told in the last call of grown(); 0 when nothing is watched. Wrong
  // for files of different writers, whose numbers do not compare.
  std::uint64_t last_begun() const;

  // Up to this number the entries of that sequence are finished: a later one has been begun, or nothing is written to
  // it any more. 0 when that is not known. Asks the files, as they are now.
  std::uint64_t finished_through(const JournalId& seqnum_id) const;

  // More than one file is written to, and not more than kFilesMax.
  bool watches_several() const { return files_.size() > 1; }

  // A seek is about to be made: what the files count now, it will find. One system call a file.
  void seeks();

  // Whether an older entry may have been passed by on the way from the last seek to that with the number `seqnum`.
  // After another seek it has not. A file that cannot be read counts as one that has grown. False unless
  // watches_several(); wrong for files of different writers, whose numbers do not compare.
  bool may_have_passed_by(std::uint64_t seqnum) const;

 private:
  // Of a header.
  struct Counts {
    std::uint64_t entries = 0;
    std::uint64_t tail_seqnum = 0;
    bool operator==(const Counts&) const = default;
  };
  struct File {
    std::string path;
    ino_t inode = 0;
    UniqueFd fd;
    Counts counts;
    std::uint64_t settled_entries = 0;  // so many were finished at the last seek
  };

  bool is_watched(const std::vector<JournalFile>& files) const;
  // Nothing when they cannot be read.
  static std::optional<Counts> counts_of(const File& file);
  static bool changed(File& file);

  std::vector<File> files_;
  std::uint64_t last_seqnum_ = 0;  // of an entry that had been begun at the last seek
  bool known_ = false;
  int quiet_calls_ = 0;  // of grown() since the last change; counted a little beyond kSettledAfter
};

}  // namespace stargazer
