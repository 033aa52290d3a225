// What is told of entries that were lost before they could be published, for programs.
//
//   record = { "channel": text, "time_usec": number, "after": cursor, "next": cursor, "entries_max": number,
//              "reason": text }
//
// "after" and "next" are "" when not known, "entries_max" is 0 then: at most so many entries, of all units.
#pragma once

#include <string>

#include "feed/journal_reader.h"

namespace stargazer {

std::string gap_record(const Gap& gap, const std::string& channel);

}  // namespace stargazer
