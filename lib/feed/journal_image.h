// The bytes of one journal file: its entries, and their fields as long as they are not compressed
// (systemd.io/JOURNAL_FILE_FORMAT). libsystemd looks every object up afresh at every call, which for 23 fields an entry
// is most of the time that a feed takes; here an entry's fields are read one after the other where they lie.
//
// This is not another libsystemd: it says what an entry holds whose cursor is known, and says no whenever anything is
// not as expected. Who reads then asks libsystemd, which knows more forms and what to make of a damaged file.
//
// Any bytes are safe, also such that change meanwhile: every number that comes out of them is checked after it is read.
//
// Pure: bytes in, values out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "feed/cursor.h"

namespace stargazer {

class JournalImage {
 public:
  struct Entry {
    Cursor cursor;
    std::string_view items;  // where its fields are, for take_field()
  };

  // How far into the list of entries the last search came, where the next one begins. The list has parts, one after the
  // other and each larger than those before.
  struct Place {
    std::uint64_t part = 0;    // where the part is in the file; 0 = before the first one
    std::uint64_t before = 0;  // entries in the parts before it
    std::uint64_t index = 0;   // in the part
    std::uint64_t seqnum = 0;  // all that is before has at most this number
  };

  // Of nothing.
  JournalImage() = default;
  // `bytes`: all of a file. Not owned. REQUIRES: they begin at a multiple of 8.
  explicit JournalImage(std::string_view bytes);

  // It begins as a file that can be read here.
  bool is_known() const { return known_; }
  // Names the file, also after journald has renamed it; and the sequence that its entries are numbered in. REQUIRES:
  // is_known().
  JournalId file_id() const;
  JournalId seqnum_id() const;
  // How long the file says that it is; more than there are bytes when it has grown since. REQUIRES: is_known().
  std::uint64_t file_bytes() const;

  // The entry with this number; nothing when there is none, or when the way to it is not as expected. Cheap when it is
  // one of the next after `place`. REQUIRES: is_known().
  std::optional<Entry> find(std::uint64_t seqnum, Place& place) const;

  // Where in the file the field is that `items` names first: different fields are at different places. It may be
  // anything. REQUIRES, here and below: `items` is an Entry's and not empty.
  std::uint64_t field_offset(std::string_view items) const { return offset_at(items, 0); }
  // Takes it off, unread.
  void skip_field(std::string_view& items) const;

  // The field "NAME=value" that `items` names first, which is taken off. Nothing when it is compressed, or not as
  // expected.
  std::optional<std::string_view> take_field(std::string_view& items) const;

 private:
  struct Object {
    std::uint8_t flags;
    std::string_view bytes;  // all of it, its header included
  };

  std::uint64_t count_entries() const;
  std::optional<Object> object(std::uint64_t offset, std::uint8_t type, std::size_t bytes_min) const;
  std::optional<std::string_view> part(const Place& place) const;
  std::optional<Object> entry_object(std::string_view part, std::uint64_t index) const;
  std::optional<std::uint64_t> seqnum_at(std::string_view part, std::uint64_t index) const;
  std::optional<std::uint64_t> search(std::string_view part, std::uint64_t begin, std::uint64_t end,
                                      std::uint64_t seqnum) const;
  std::optional<Entry> entry_at(std::string_view part, std::uint64_t index) const;
  std::uint64_t items_of(std::string_view part) const;
  // Of an entry: the place of a field, and in the regular form its hash.
  std::size_t item_bytes() const { return compact_ ? sizeof(std::uint32_t) : 2 * sizeof(std::uint64_t); }
  std::uint64_t offset_at(std::string_view items, std::uint64_t at) const;

  std::string_view bytes_;
  bool known_ = false;
  bool compact_ = false;
};

}  // namespace stargazer
