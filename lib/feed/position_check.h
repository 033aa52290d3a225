// Whether a saved position may be trusted in the journal that is there now, and what is missing after it.
//
//   its entry is there, or a file has numbers around its own     read on after it
//   its sequence goes on beyond it                               read on; numbers that no file has are a gap
//   its sequence ends before it                                  a journal was put back: not usable
//   its sequence is unknown, its time is still to come           another host's, or the clock was set: not usable
//   its sequence is unknown, all entries are older               another journal: not usable
//   its sequence is unknown, and there are newer entries         its files are gone: a gap, and read on by time
//
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/time.h"
#include "feed/cursor.h"
#include "feed/journal_files.h"

namespace stargazer {

struct PositionCheck {
  bool usable = true;
  std::string reason;  // of the gap or of not being usable; "" = all is well
  // Of a usable position with a reason: not more entries than these are missing; 0 = not known.
  std::uint64_t entries_max = 0;
};

// `found`: the journal has the very entry, perhaps as a copy in another file.
PositionCheck check_position(const Cursor& saved, bool found, const std::vector<JournalFile>& files, WallTime now);

}  // namespace stargazer
