#include "feed/mapped_entries.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <utility>

#include "io/unique_fd.h"

namespace stargazer {
namespace {

// Whether it may hold that entry. Of a file that is written to it is not known what it holds by now.
bool may_hold(const JournalFile& file, const Cursor& entry) {
  const bool over = file.archived() && (file.entries == 0 || file.tail_seqnum < entry.seqnum);
  const bool later = file.entries != 0 && file.head_seqnum > entry.seqnum;
  const bool same_sequence = file.entries == 0 || file.seqnum_id == entry.seqnum_id;
  return file.damage.empty() && same_sequence && !over && !later;
}

}  // namespace

std::unique_ptr<MappedFile> MappedFile::open(const JournalFile& file, std::uint32_t number) {
  std::unique_ptr<MappedFile> mapped(new MappedFile(file, number));
  if (!mapped->map()) return nullptr;
  mapped->before_number_ = "s=" + to_text(mapped->image_.seqnum_id()) + ";i=";
  return mapped;
}

MappedFile::~MappedFile() {
  unmap();
}

// All of the file, as long as it is now. False, and nothing is mapped, when it is not longer than what was.
bool MappedFile::map() {
  const std::size_t known_bytes = bytes_;
  unmap();
  const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat now {};
  if (!fd || fstat(fd.get(), &now) != 0 || !S_ISREG(now.st_mode)) return false;
  if (now.st_size < 0 || static_cast<std::uint64_t>(now.st_size) > MappedEntries::kFileBytesMax) return false;
  const auto bytes = static_cast<std::size_t>(now.st_size);
  if (bytes <= known_bytes) return false;
  void* const address = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (address == MAP_FAILED) return false;
  address_ = address;
  bytes_ = bytes;
  image_ = JournalImage({static_cast<const char*>(address_), bytes_});
  return image_.is_known() && image_.file_id() == file_id_;
}

void MappedFile::unmap() {
  if (address_ != nullptr) munmap(std::exchange(address_, nullptr), bytes_);
  bytes_ = 0;
  image_ = {};
  entry_items_ = items_ = {};
}

bool MappedFile::go_to(std::string_view cursor) {
  entry_items_ = items_ = {};
  if (!cursor.starts_with(before_number_)) return false;
  std::uint64_t seqnum = 0;
  std::from_chars(cursor.data() + before_number_.size(), cursor.data() + cursor.size(), seqnum, 16);
  if (!image_.is_known() || (image_.file_bytes() > bytes_ && !map())) return false;
  const auto entry = image_.find(seqnum, place_);
  if (!entry) return false;
  // All of it, since a number can be there twice after a file was restored from elsewhere.
  std::array<char, Cursor::kBytesMax> text;
  if (cursor != std::string_view(text.data(), entry->cursor.write(text.data()))) return false;
  entry_items_ = items_ = entry->items;
  return true;
}

Result<std::optional<std::string_view>> MappedFile::next() {
  if (items_.empty()) return std::optional<std::string_view>();
  const auto field = image_.take_field(items_);
  if (!field) return Error("a field that libsystemd has to read");
  return field;
}

// Data is written once, so a place in a file has one field for ever.
std::uint64_t MappedFile::next_id() const {
  static_assert(MappedEntries::kFileBytesMax <= std::uint64_t{1} << 32U, "half of an id is the place");
  const std::uint64_t offset = items_.empty() ? 0 : image_.field_offset(items_);
  return offset == 0 || offset >= MappedEntries::kFileBytesMax ? 0 : std::uint64_t{number_} << 32U | offset;
}

void MappedEntries::know(const std::vector<JournalFile>& files) {
  misses_left_ = 0;
  std::erase_if(mapped_, [&files](const std::unique_ptr<MappedFile>& mapped) {
    const auto file =
        std::find_if(files.begin(), files.end(), [&](const JournalFile& other) { return mapped->is(other); });
    if (file != files.end()) mapped->is_at(*file);
    return file == files.end() || !mapped->is_mapped();
  });
}

EntryFields* MappedEntries::find(std::string_view cursor, const std::vector<JournalFile>& files) {
  if (EntryFields* const found = find_mapped(cursor)) return found;
  if (misses_left_ > 0) {
    --misses_left_;
    return nullptr;
  }
  EntryFields* const found = find_in_others(cursor, files);
  if (found == nullptr) misses_left_ = kMissesBeforeNextTry;
  return found;
}

EntryFields* MappedEntries::find_mapped(std::string_view cursor) {
  for (auto mapped = mapped_.begin(); mapped != mapped_.end(); ++mapped) {
    if (!(*mapped)->go_to(cursor)) continue;
    mapped_.splice(mapped_.begin(), mapped_, mapped);
    return mapped_.front().get();
  }
  return nullptr;
}

EntryFields* MappedEntries::find_in_others(std::string_view cursor, const std::vector<JournalFile>& files) {
  const auto entry = Cursor::parse(cursor);
  if (!entry) return nullptr;
  for (const JournalFile& file : files) {
    const bool known =
        std::any_of(mapped_.begin(), mapped_.end(), [&file](const auto& mapped) { return mapped->is(file); });
    if (known || !may_hold(file, *entry)) continue;
    auto mapped = MappedFile::open(file, ++opened_);
    if (mapped == nullptr || !mapped->go_to(cursor)) continue;
    mapped_.push_front(std::move(mapped));
    if (mapped_.size() > kFilesMax) mapped_.pop_back();
    return mapped_.front().get();
  }
  return nullptr;
}

}  // namespace stargazer
