// One journal entry as `journalctl --output=json` writes it. Pure: bytes in, text out; who reads the journal is
// journal_reader.h.
//
//   entry  = "{" member { "," member } "}"        one member a field name, sorted by name
//   member = string ":" ( value | "[" value { "," value } "]" )   the array when the field is there more than once
//   value  = "null"                               name "=" value is kThresholdBytes or longer
//          | string                               the value is text, see is_journal_text
//          | "[" [ byte { "," byte } ] "]"        anything else, bytes as decimal numbers
//
// These are the rules of systemd's src/shared/logs-show.c without --all; the order of keys is random there.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace stargazer {

// Valid UTF-8 in its shortest form, without control characters except tab and newline, without surrogates and
// non-characters.
bool is_journal_text(std::string_view bytes);

// Appends `text` in quotes. REQUIRES: is_journal_text(text).
void append_json_string(std::string& out, std::string_view text);

// Appends the value of a field by the rule above, which depends on the length of its name.
void append_json_value(std::string& out, std::string_view name, std::string_view value);

// The fields of one entry, gathered and then written. Made once and used for every entry, so that it does not allocate.
class JournalObject {
 public:
  // A field of this many bytes, name and "=" included, is written as null.
  static constexpr std::size_t kThresholdBytes = 4096;

  void clear();

  // Copies a field. A repeated name is fine; its values keep their order. A name that journald itself would not write
  // is left out: 1 to 64 upper-case letters, digits and underscores, not starting with a digit.
  void add(std::string_view name, std::string_view value);

  // What append_to would write is at most about this long: the bound of an entry before it is rendered.
  std::size_t bytes_max() const { return bytes_max_; }

  void append_to(std::string& out);

 private:
  struct Field {
    std::size_t offset;
    std::size_t name_bytes;
    std::size_t value_bytes;
  };

  std::string_view name_of(const Field& field) const { return {text_.data() + field.offset, field.name_bytes}; }
  std::string_view value_of(const Field& field) const {
    return {text_.data() + field.offset + field.name_bytes, field.value_bytes};
  }

  // The end of the run of fields that have the same name as field `first`. REQUIRES: sorted.
  std::size_t end_of_name(std::size_t first) const;
  void append_member(std::string& out, std::size_t first, std::size_t end) const;

  std::string text_;  // names and values, one after the other
  std::vector<Field> fields_;
  std::size_t bytes_max_ = 2;
};

}  // namespace stargazer
