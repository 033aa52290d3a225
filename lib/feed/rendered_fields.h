// Fields as they were written, to be written again: in most fields an entry is like the one before it, and journald
// keeps what is alike once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "feed/field_names.h"

namespace stargazer {

class RenderedFields {
 public:
  // Longer ones are not kept. What is kept is copied in one go of so many bytes, whatever its length.
  static constexpr std::size_t kBytesMax = 112;

  struct Field {
    std::uint64_t id = 0;
    const FieldNames::Name* name = nullptr;
    std::size_t bytes = 0;
    std::array<char, kBytesMax> text{};
  };

  // The field with this id (EntryFields::next_id), if it is one of those that were added last. Good until the next
  // add() or clear(). With the id 0, nullptr.
  const Field* find(std::uint64_t id) const {
    const Field& field = fields_[slot_of(id)];
    return id != 0 && field.id == id ? &field : nullptr;
  }

  // Keeps it, in place of another. REQUIRES: id != 0; `name` stays good until clear().
  void add(std::uint64_t id, const FieldNames::Name& name, std::string_view text) {
    if (text.size() > kBytesMax) return;
    Field& field = fields_[slot_of(id)];
    field.id = id;
    field.name = &name;
    field.bytes = text.size();
    std::memcpy(field.text.data(), text.data(), text.size());
  }

  void clear() { fields_.fill({}); }

 private:
  // Few enough that they stay in the processor's caches.
  static constexpr unsigned kSlotBits = 8;

  static std::size_t slot_of(std::uint64_t id) {
    constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15U;
    return static_cast<std::size_t>((id * kOdd) >> (64 - kSlotBits));
  }

  std::array<Field, std::size_t{1} << kSlotBits> fields_{};
};

}  // namespace stargazer
