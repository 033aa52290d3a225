// One journal entry as a JSON object (journal_json.h), written straight to where it is sent
// from: nothing is copied in between and nothing allocated, except for the few entries that have a field twice or pass
// a limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "feed/entry_fields.h"
#include "feed/field_names.h"
#include "feed/journal_json.h"
#include "feed/out_buffer.h"
#include "feed/rendered_fields.h"

namespace stargazer {

// What of the journal is published: the `feed.` keys of the same names.
struct EntrySelection {
  std::vector<std::string> fields;  // beside those that journalctl --output-fields= always prints; empty = all
  std::size_t max_entry_bytes = 0;  // of its JSON; 0 = no limit. Field names alone may pass it.
  std::uint32_t max_priority = 7;   // below 7: an entry without a priority is left out, as journalctl -p does
  std::vector<std::string> include_identifiers;  // globs; empty = all
  std::vector<std::string> exclude_identifiers;  // globs; these win
};

class EntryRenderer {
 public:
  // The threshold that the journal's reader is to set (sd_journal_set_data_threshold): more of a field is not needed.
  static constexpr std::size_t kThresholdBytes = stargazer::kThresholdBytes;
  // An entry whose JSON could be longer is unreadable. No entry of journald comes near.
  static constexpr std::size_t kEntryBytesMax = std::size_t{32} * 1024 * 1024;

  explicit EntryRenderer(EntrySelection selection = {});

  // Appends the entry; false, and nothing is appended, when the selection leaves it out. Fails, leaving `out` as it
  // was, when `fields` cannot be read. `cursor`: that of the entry, as libsystemd writes it.
  Result<bool> append(EntryFields& fields, std::string_view cursor, OutBuffer& out);

 private:
  // What an entry's header tells beside the cursor, as text.
  struct Header;
  enum class Written { kWhole, kNeedsGathering };

  void write_known(const RenderedFields::Field& field, OutBuffer& out);
  void write_new(const FieldNames::Name& name, std::string_view value, std::uint64_t id, OutBuffer& out);
  Result<Written> write_fields(EntryFields& fields, OutBuffer& out, std::size_t begin);
  Status gather(EntryFields& fields, std::string_view cursor, const Header& header);
  void note(FieldNames::Kind kind, std::string_view value);
  bool is_selected() const;

  const EntrySelection selection_;
  const bool selects_entries_;
  const std::size_t limit_bytes_;
  FieldNames names_;
  RenderedFields rendered_;
  JournalObject object_;
  int priority_ = -1;  // of the entry; -1 = it has none
  std::string identifier_;
};

}  // namespace stargazer
