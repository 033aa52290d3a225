// What a reader has passed of each file of a journal, and so what is lost when a file goes away.
//
// A reader that looks for some units' entries does not see the others, so its position alone does not tell whether a
// file that was deleted held anything that it has not passed. The ledger keeps, for every file, the number up to which
// it is certain that the reader has been through: from its position, and from the moments in which it had come to the
// end of everything.
//
// What cannot be known: whether the missing entries would have matched; and how many there were of a file that was
// still being written when it was last looked at. Then the loss reaches up to the next number that still exists, and
// numbers that user journals took in between count as lost, too. Entries that libsystemd passes over silently inside a
// damaged file are no loss here. Nor is a file that came and went between two looks and held a sequence of its own.
//
// Pure: lists in, losses out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "feed/cursor.h"
#include "feed/journal_files.h"

namespace stargazer {

// Numbers of a sequence that are in no file any more and have not been passed.
struct JournalLoss {
  std::string path;
  std::uint64_t entries_max = 0;  // 0 = not known
  std::string reason;
};

class JournalLedger {
 public:
  // What is there when reading begins at `position`; all before is taken as passed. The losses are files that are
  // damaged and may hold entries after it.
  std::vector<JournalLoss> begin(std::vector<JournalFile> files, const Cursor& position);

  // The reader has returned `position` while no file has gone away: all up to there is passed.
  void passed(const Cursor& position);

  // The reader had come to the end of everything after files() were looked at.
  void passed_all();

  // What is there now. `position`: the last entry that was returned, perhaps after a file had gone away.
  std::vector<JournalLoss> update(std::vector<JournalFile> files, const Cursor& position);

  const std::vector<JournalFile>& files() const { return files_; }

 private:
  std::uint64_t passed_of(const JournalFile& file) const;
  void note_passed(const JournalFile& file, std::uint64_t seqnum);
  void settle(const Cursor& position);
  std::optional<JournalLoss> check_gone(const JournalFile& gone, const std::vector<JournalFile>& files,
                                        const Cursor& position) const;

  std::vector<JournalFile> files_;
  std::map<JournalId, std::uint64_t> passed_;         // by file
  std::map<JournalId, Cursor> position_by_sequence_;  // not yet in passed_
};

// The smallest number after `seqnum` that a file of this sequence still holds; nothing when there is none.
std::optional<std::uint64_t> next_seqnum(const std::vector<JournalFile>& files, const JournalId& seqnum_id,
                                         std::uint64_t seqnum);

}  // namespace stargazer
