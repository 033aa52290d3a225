// Where the fields of one journal entry come from: from libsystemd, or straight from the file (mapped_entries.h).
#pragma once

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
