// One journal entry as `journalctl --output=json` writes it. Pure: bytes in, text out; who reads the journal is
// entry_renderer.h.
//
//   entry  = "{" member { "," member } "}"        one member a field name
//   member = string ":" ( value | "[" value { "," value } "]" )   the array when the field is there more than once
//   value  = "null"                               name "=" value is kThresholdBytes or longer
//          | string                               the value is text, see is_journal_text
//          | "[" [ byte { "," byte } ] "]"        anything else, bytes as decimal numbers
//
// These are the rules of systemd's src/shared/logs-show.c without --all; the order of keys is random there. With a
// limit, which journalctl does not have, the largest values become null and a last member names their fields:
//   "_STARGAZER_TRUNCATED": "NAME" { ",NAME" }
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "feed/out_buffer.h"

namespace stargazer {

// A field of this many bytes, name and "=" included, is written as null.
inline constexpr std::size_t kThresholdBytes = 4096;
inline constexpr std::size_t kFieldNameBytesMax = 64;

// What write_json_value may need: a byte as a decimal number and a comma, brackets, and room to copy in blocks.
inline constexpr std::size_t kValueRoomBytes = 4 * kThresholdBytes + 64;

// Valid UTF-8 in its shortest form, without control characters except tab and newline, without surrogates and
// non-characters.
bool is_journal_text(std::string_view bytes);

// A name that journald itself would write: 1 to 64 upper-case letters, digits and underscores, not starting with a
// digit.
bool is_field_name(std::string_view name);

// Writes the value of a field with a name of so many bytes, and returns where it ends.
// REQUIRES: kValueRoomBytes of room at `to`.
char* write_json_value(char* to, std::size_t name_bytes, std::string_view value);

// The fields of one entry, gathered and then written: for entries that cannot be written as they are read, because a
// name is there twice or a limit is passed. Made once and used for every entry, so that it does not allocate.
class JournalObject {
 public:
  static constexpr std::string_view kTruncatedName = "_STARGAZER_TRUNCATED";

  void clear();

  // Copies a field. A repeated name is fine; its values keep their order. What is no field name is left out.
  void add(std::string_view name, std::string_view value);

  // Without a limit what append_to would write is at most about this long: the bound before it is rendered.
  std::size_t bytes_max() const { return bytes_max_; }

  // Members are sorted by name. Beyond `limit_bytes` the largest values become null, those of names with "__" never.
  void append_to(OutBuffer& out, std::size_t limit_bytes = std::numeric_limits<std::size_t>::max());

 private:
  struct Field {
    std::size_t offset;
    std::size_t name_bytes;
    std::size_t value_bytes;
    std::size_t json_bytes;
    bool cut;
  };

  std::string_view name_of(const Field& field) const { return {text_.data() + field.offset, field.name_bytes}; }
  std::string_view value_of(const Field& field) const {
    return {text_.data() + field.offset + field.name_bytes, field.value_bytes};
  }

  // The end of the run of fields that have the same name as field `first`. REQUIRES: sorted.
  std::size_t end_of_name(std::size_t first) const;
  void append_value(OutBuffer& out, const Field& field) const;
  void append_member(OutBuffer& out, std::size_t first, std::size_t end) const;
  void append_members(OutBuffer& out, std::string_view truncated) const;
  std::string cut_to(std::size_t limit_bytes, std::size_t written_bytes);

  std::string text_;  // names and values, one after the other
  std::vector<Field> fields_;
  std::size_t bytes_max_ = 2;
};

}  // namespace stargazer
