// Where the fields of one journal entry come from: from libsystemd, or straight from the file (mapped_entries.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <systemd/sd-journal.h>

#include "core/result.h"

namespace stargazer {

class EntryFields {
 public:
  virtual ~EntryFields() = default;

  // Back to before the first field.
  virtual void restart() = 0;

  // The next "NAME=value", in the entry's order; nothing at its end. Good until the next call. Fails when the entry
  // cannot be read: corrupt, or vacuumed in this moment.
  virtual Result<std::optional<std::string_view>> next() = 0;

  // What next() would give: fields of the same id have the same bytes, of whatever entry. 0 = that is not known.
  virtual std::uint64_t next_id() const { return 0; }
  // Passes by what next() would give. REQUIRES: next_id() != 0.
  virtual void skip() {}
};

// Of the entry at which `journal` stands. Not owned.
class LibsystemdFields : public EntryFields {
 public:
  explicit LibsystemdFields(sd_journal* journal) : journal_(journal) {}

  void restart() override;
  Result<std::optional<std::string_view>> next() override;

 private:
  sd_journal* journal_;
};

}  // namespace stargazer
