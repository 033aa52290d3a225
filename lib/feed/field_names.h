// The names of fields that entries have: a few dozen, the same ones again and again. Each is checked and made ready for
// JSON once; and each knows the last entry that had it, which is how a name that is there twice is found.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "feed/journal_json.h"

namespace stargazer {

class FieldNames {
 public:
  // What the renderer does with a field beside writing it.
  enum class Kind : std::uint8_t { kOther, kPriority, kIdentifier };

  struct Name {
    // Room to be copied in one go of so many bytes, whatever the length.
    std::array<char, 96> member{};  // ,"NAME":
    std::uint8_t member_bytes = 0;
    std::uint8_t name_bytes = 0;
    Kind kind = Kind::kOther;
    bool published = false;
    std::uint32_t entry = 0;
  };

  // More names than this at a time are forgotten, and learned again.
  static constexpr std::size_t kNamesMax = 512;

  // `published`: which are; empty = all. Never are: what is no field name, _BOOT_ID and names with "__", since the
  // renderer takes those from the entry's header.
  explicit FieldNames(const std::vector<std::string>& published);

  // A new entry: no name has been there yet. False when there were too many and all are forgotten, so that pointers
  // from before are void.
  bool next_entry();

  // Takes note that the entry has the name. Null when it has it for the second time, or when this is one name too many:
  // the entry is then to be written in another way. The pointer is good until next_entry() returns false.
  const Name* take(std::string_view name);
  // The same for a name that take() gave before; false when the entry has it already. REQUIRES: it is a field name.
  bool take_again(const Name& name);

  // What is published of any entry, for that other way.
  bool is_published(std::string_view name) const;

 private:
  static constexpr std::size_t kSlots = 2 * kNamesMax;

  Name* find(std::string_view name, std::size_t& slot);

  std::vector<std::string> published_;         // sorted
  std::vector<Name> names_;                    // close together, so that they stay in the processor's nearest cache
  std::array<std::uint16_t, kSlots> slots_{};  // places in names_, counted from 1; 0 = an empty slot
  Name no_field_;
  std::uint32_t entry_ = 1;
};

}  // namespace stargazer
