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

FieldNames::FieldNames(const std::vector<std::string>& published) : published_(published), slots_(kSlots) {
  std::sort(published_.begin(), published_.end());
}

void FieldNames::next_entry() {
  ++entry_;
  if (entry_ != 0 && count_ < kNamesMax) return;
  slots_.assign(kSlots, {});
  count_ = 0;
  entry_ = 1;
}

const FieldNames::Name* FieldNames::take(std::string_view name) {
  std::size_t index = hash_of(name) % kSlots;
  for (;; index = (index + 1) % kSlots) {
    Name& slot = slots_[index];
    if (slot.name_bytes == 0) break;
    if (slot.name_bytes != name.size()) continue;
    if (std::memcmp(slot.member.data() + kBeforeBytes, name.data(), name.size()) != 0) continue;
    if (slot.entry == entry_ && slot.published) return nullptr;
    slot.entry = entry_;
    return &slot;
  }
  if (!is_field_name(name)) return &unpublished_;
  if (count_ == kNamesMax) return nullptr;
  ++count_;
  Name& slot = slots_[index];
  char* to = slot.member.data();
  *to++ = ',';
  *to++ = '"';
  std::memcpy(to, name.data(), name.size());
  to += name.size();
  *to++ = '"';
  *to++ = ':';
  slot.name_bytes = static_cast<std::uint8_t>(name.size());
  slot.member_bytes = static_cast<std::uint8_t>(kBeforeBytes + name.size() + kAfterBytes);
  slot.kind = kind_of(name);
  slot.published = is_published(name);
  slot.entry = entry_;
  return &slot;
}

bool FieldNames::is_published(std::string_view name) const {
  if (!is_field_name(name) || name == "_BOOT_ID" || name.starts_with("__")) return false;
  return published_.empty() || std::binary_search(published_.begin(), published_.end(), name);
}

}  // namespace stargazer
