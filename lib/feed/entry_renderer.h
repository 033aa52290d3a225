// The entry at which an open journal stands, as one JSON object (journal_json.h): what sd-journal tells of it, read and
// written down in one go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <systemd/sd-journal.h>

#include "core/result.h"
#include "feed/journal_json.h"

namespace stargazer {

class EntryRenderer {
 public:
  // The threshold that the journal's reader is to set (sd_journal_set_data_threshold): more of a field is not needed.
  static constexpr std::size_t kThresholdBytes = JournalObject::kThresholdBytes;
  // An entry whose JSON could be longer is unreadable. No entry of journald comes near.
  static constexpr std::size_t kEntryBytesMax = std::size_t{32} * 1024 * 1024;

  // Appends the entry. Fails, leaving `out` as it was, when it cannot be read: corrupt, or vacuumed in this moment.
  // `cursor`: that of the entry. REQUIRES: the last sd_journal_next or sd_journal_previous led to an entry.
  Status append(sd_journal* journal, const std::string& cursor, std::string& out);

  // The time of the last entry whose time could be read; 0 before the first.
  std::uint64_t realtime_usec() const { return realtime_usec_; }

 private:
  Status add_header(sd_journal* journal, const std::string& cursor);
  Status add_fields(sd_journal* journal);

  JournalObject object_;
  std::uint64_t realtime_usec_ = 0;
};

}  // namespace stargazer
