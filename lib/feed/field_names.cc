#include "feed/field_names.h"

#include <algorithm>
#include <cstring>

namespace stargazer {
namespace {

// ," before the name and ": after it.
constexpr std::size_t kBeforeBytes = 2;
constexpr std::size_t kAfterBytes = 2;

// Of its length and both ends: what names differ in.
std::size_t hash_of(std::string_view name) {
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15U;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  if (name.size() >= sizeof first) {
    std::memcpy(&first, name.data(), sizeof first);
    std::memcpy(&last, name.data() + name.size() - sizeof last, sizeof last);
  } else {
    for (const char c : name) first = (first << 8) | static_cast<unsigned char>(c);
  }
  const std::uint64_t mixed = ((first ^ (last * kOdd)) + name.size()) * kOdd;
  return static_cast<std::size_t>(mixed >> 40);
}

FieldNames::Kind kind_of(std::string_view name) {
  if (name == "PRIORITY") return FieldNames::Kind::kPriority;
  return name == "SYSLOG_IDENTIFIER" ? FieldNames::Kind::kIdentifier : FieldNames::Kind::kOther;
}

}  // namespace

FieldNames::FieldNames(const std::vector<std::string>& published) : published_(published) {
  std::sort(published_.begin(), published_.end());
  names_.reserve(kNamesMax);
}

bool FieldNames::next_entry() {
  ++entry_;
  if (entry_ != 0 && names_.size() < kNamesMax) return true;
  names_.clear();
  slots_.fill(0);
  entry_ = 1;
  return false;
}

// Null when it is not known; it then belongs into `slot`.
FieldNames::Name* FieldNames::find(std::string_view name, std::size_t& slot) {
  for (slot = hash_of(name) % kSlots; slots_[slot] != 0; slot = (slot + 1) % kSlots) {
    Name& known = names_[slots_[slot] - 1U];
    if (known.name_bytes != name.size()) continue;
    if (std::memcmp(known.member.data() + kBeforeBytes, name.data(), name.size()) == 0) return &known;
  }
  return nullptr;
}

bool FieldNames::take_again(const Name& name) {
  const bool is_there = name.entry == entry_ && name.published;
  names_[static_cast<std::size_t>(&name - names_.data())].entry = entry_;
  return !is_there;
}

const FieldNames::Name* FieldNames::take(std::string_view name) {
  std::size_t slot = 0;
  if (const Name* const known = find(name, slot)) return take_again(*known) ? known : nullptr;
  if (!is_field_name(name)) return &no_field_;
  if (names_.size() == kNamesMax) return nullptr;
  Name& added = names_.emplace_back();
  slots_[slot] = static_cast<std::uint16_t>(names_.size());
  char* to = added.member.data();
  *to++ = ',';
  *to++ = '"';
  std::memcpy(to, name.data(), name.size());
  to += name.size();
  *to++ = '"';
  *to++ = ':';
  added.name_bytes = static_cast<std::uint8_t>(name.size());
  added.member_bytes = static_cast<std::uint8_t>(kBeforeBytes + name.size() + kAfterBytes);
  added.kind = kind_of(name);
  added.published = is_published(name);
  added.entry = entry_;
  return &added;
}

bool FieldNames::is_published(std::string_view name) const {
  if (!is_field_name(name) || name == "_BOOT_ID" || name.starts_with("__")) return false;
  return published_.empty() || std::binary_search(published_.begin(), published_.end(), name);
}

}  // namespace stargazer
