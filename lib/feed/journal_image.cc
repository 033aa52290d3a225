#include "feed/journal_image.h"

#include <algorithm>
#include <cstring>
#include <endian.h>

#include "feed/journal_bytes.h"

namespace stargazer {
namespace {

// Where the header has what.
constexpr std::size_t kIncompatibleFlagsAt = 12;
constexpr std::size_t kFileIdAt = 24;
constexpr std::size_t kSeqnumIdAt = 72;
constexpr std::size_t kHeaderSizeAt = 88;
constexpr std::size_t kArenaSizeAt = 96;
constexpr std::size_t kEntriesAt = 152;
constexpr std::size_t kFirstPartAt = 176;

// Flags of a form that cannot be read without knowing it: three compressions, keyed hashes, and the compact form.
constexpr std::uint32_t kCompact = 1U << 4U;
constexpr std::uint32_t kKnownFlags = 0x1F;

// Where an object has what.
constexpr std::uint8_t kDataType = 1;
constexpr std::uint8_t kEntryType = 3;
constexpr std::uint8_t kPartType = 6;
constexpr std::size_t kObjectSizeAt = 8;

constexpr std::size_t kDataHashAt = 16;
constexpr std::size_t kDataNextHashAt = 24;
constexpr std::size_t kDataNextFieldAt = 32;
constexpr std::size_t kDataEntryAt = 40;
constexpr std::size_t kDataPartAt = 48;
constexpr std::size_t kDataEntriesAt = 56;
constexpr std::size_t kDataBytes = 64;
constexpr std::size_t kCompactDataBytes = 72;

constexpr std::size_t kSeqnumAt = 16;
constexpr std::size_t kRealtimeAt = 24;
constexpr std::size_t kMonotonicAt = 32;
constexpr std::size_t kBootAt = 40;
constexpr std::size_t kXorHashAt = 56;
constexpr std::size_t kEntryBytes = 64;

constexpr std::size_t kNextPartAt = 16;
constexpr std::size_t kPartBytes = 24;

std::uint32_t short_number_at(std::string_view bytes, std::size_t at) {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return le32toh(number);
}

// What libsystemd takes for a data object: one without entries is not finished, and offsets are multiples of 8.
bool is_sound_data(std::string_view object) {
  const bool has_entry = number_at(object, kDataEntryAt) != 0;
  const bool counts_entry = number_at(object, kDataEntriesAt) != 0;
  const std::uint64_t offsets = number_at(object, kDataNextHashAt) | number_at(object, kDataNextFieldAt) |
                                number_at(object, kDataEntryAt) | number_at(object, kDataPartAt);
  return has_entry == counts_entry && offsets % 8 == 0;
}

}  // namespace

JournalImage::JournalImage(std::string_view bytes) : bytes_(bytes) {
  if (bytes_.size() < kJournalHeaderBytes || !bytes_.starts_with(kJournalSignature)) return;
  const std::uint32_t flags = short_number_at(bytes_, kIncompatibleFlagsAt);
  compact_ = (flags & kCompact) != 0;
  known_ = (flags & ~kKnownFlags) == 0;
}

JournalId JournalImage::file_id() const {
  return id_at(bytes_, kFileIdAt);
}

JournalId JournalImage::seqnum_id() const {
  return id_at(bytes_, kSeqnumIdAt);
}

std::uint64_t JournalImage::file_bytes() const {
  return number_at(bytes_, kHeaderSizeAt) + number_at(bytes_, kArenaSizeAt);
}

// The object there, all of whose bytes are; at least so many.
std::optional<JournalImage::Object> JournalImage::object(std::uint64_t offset, std::uint8_t type,
                                                         std::size_t bytes_min) const {
  if (offset % 8 != 0 || offset < kJournalHeaderBytes || offset >= bytes_.size()) return {};
  const std::string_view rest = bytes_.substr(offset);
  if (rest.size() < bytes_min || static_cast<std::uint8_t>(rest[0]) != type) return {};
  const std::uint64_t size = number_at(rest, kObjectSizeAt);
  if (size < bytes_min || size > rest.size()) return {};
  return Object{static_cast<std::uint8_t>(rest[1]), rest.substr(0, size)};
}

std::optional<std::string_view> JournalImage::part(const Place& place) const {
  const auto found = object(place.part, kPartType, kPartBytes);
  if (!found) return {};
  return found->bytes;
}

std::uint64_t JournalImage::items_of(std::string_view part) const {
  return (part.size() - kPartBytes) / (compact_ ? sizeof(std::uint32_t) : sizeof(std::uint64_t));
}

// REQUIRES: `at` is that of an item that `items` has.
std::uint64_t JournalImage::offset_at(std::string_view items, std::uint64_t at) const {
  return compact_ ? short_number_at(items, at) : number_at(items, at);
}

// REQUIRES: index < items_of(part).
std::optional<JournalImage::Object> JournalImage::entry_object(std::string_view part, std::uint64_t index) const {
  const std::size_t item_bytes = compact_ ? sizeof(std::uint32_t) : sizeof(std::uint64_t);
  return object(offset_at(part, kPartBytes + index * item_bytes), kEntryType, kEntryBytes);
}

std::optional<std::uint64_t> JournalImage::seqnum_at(std::string_view part, std::uint64_t index) const {
  const auto entry = entry_object(part, index);
  if (!entry) return {};
  return number_at(entry->bytes, kSeqnumAt);
}

std::optional<JournalImage::Entry> JournalImage::entry_at(std::string_view part, std::uint64_t index) const {
  const auto entry = entry_object(part, index);
  if (!entry) return {};
  const std::string_view bytes = entry->bytes;
  const std::string_view items = bytes.substr(kEntryBytes);
  if (items.empty() || items.size() % item_bytes() != 0) return {};
  return Entry{{seqnum_id(), number_at(bytes, kSeqnumAt), id_at(bytes, kBootAt), number_at(bytes, kMonotonicAt),
                number_at(bytes, kRealtimeAt), number_at(bytes, kXorHashAt)},
               items};
}

// Where in the part, from `begin` and before `end`, the entry with this number is: first in growing steps, since it is
// mostly near, and then between the last two of them.
std::optional<std::uint64_t> JournalImage::search(std::string_view part, std::uint64_t begin, std::uint64_t end,
                                                  std::uint64_t seqnum) const {
  std::uint64_t step = 1;
  while (begin < end) {
    const std::uint64_t at = std::min(begin + step, end) - 1;
    const auto found = seqnum_at(part, at);
    if (!found) return {};
    if (*found == seqnum) return at;
    if (*found > seqnum) {
      end = at;
      step = std::max<std::uint64_t>((end - begin) / 2, 1);
    } else {
      begin = at + 1;
      step = std::min(2 * step, std::max<std::uint64_t>((end - begin + 1) / 2, 1));
    }
  }
  return {};
}

// Before the list itself is looked at, since that is written first.
std::uint64_t JournalImage::count_entries() const {
  const auto* const count = reinterpret_cast<const std::uint64_t*>(bytes_.data() + kEntriesAt);
  return le64toh(__atomic_load_n(count, __ATOMIC_ACQUIRE));
}

std::optional<JournalImage::Entry> JournalImage::find(std::uint64_t seqnum, Place& place) const {
  const std::uint64_t entries = count_entries();
  if (place.part == 0 || place.seqnum >= seqnum) place = {number_at(bytes_, kFirstPartAt), 0, 0, 0};
  for (;;) {
    const auto list = part(place);
    if (!list || entries < place.before) return {};
    const std::uint64_t items = items_of(*list);
    const std::uint64_t used = std::min(items, entries - place.before);
    const auto last = used == 0 ? std::nullopt : seqnum_at(*list, used - 1);
    if (!last) return {};
    if (*last >= seqnum) {
      const auto found = search(*list, place.index, used, seqnum);
      if (!found) return {};
      place.index = *found + 1;
      place.seqnum = seqnum;
      return entry_at(*list, *found);
    }
    const std::uint64_t next = number_at(*list, kNextPartAt);
    // journald only ever appends, so the way cannot be a circle.
    if (used < items || next <= place.part) return {};
    place = {next, place.before + items, 0, *last};
  }
}

std::optional<std::string_view> JournalImage::take_field(std::string_view& items) const {
  const std::uint64_t offset = offset_at(items, 0);
  const std::size_t data_bytes = compact_ ? kCompactDataBytes : kDataBytes;
  const auto data = object(offset, kDataType, data_bytes + 1);
  if (!data || data->flags != 0 || !is_sound_data(data->bytes)) return {};
  const bool same = compact_ || number_at(items, sizeof offset) == number_at(data->bytes, kDataHashAt);
  if (!same) return {};
  skip_field(items);
  return data->bytes.substr(data_bytes);
}

void JournalImage::skip_field(std::string_view& items) const {
  items.remove_prefix(item_bytes());
}

}  // namespace stargazer
