#include "feed/growth_watch.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <endian.h>
#include <fcntl.h>
#include <limits>
#include <unistd.h>
#include <utility>

namespace stargazer {
namespace {

// Of the header (systemd.io/JOURNAL_FILE_FORMAT): the number of entries, and after it the number of the last one.
constexpr off_t kCountsOffset = 152;
// Of the header: the sequence; and from there on, the number that its last entry got as soon as it was begun.
constexpr off_t kSeqnumIdOffset = 72;
constexpr std::size_t kTailSeqnumAfterId = 160 - kSeqnumIdOffset;

// Also one that cannot be read: a new file has no header yet.
std::vector<JournalFile> written_to(std::vector<JournalFile> files) {
  std::erase_if(files, [](const JournalFile& file) { return file.archived(); });
  return files;
}

}  // namespace

void GrowthWatch::watch(const std::vector<JournalFile>& files) {
  const std::vector<JournalFile> wanted = written_to(files);
  if (known_ && is_watched(wanted)) return;
  files_.clear();
  last_seqnum_ = 0;
  quiet_calls_ = 0;
  known_ = !wanted.empty() && wanted.size() <= kFilesMax;
  if (!known_) return;
  for (const JournalFile& file : wanted) {
    files_.push_back(
        {file.path, file.inode, UniqueFd(open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)), {}, 0});
  }
}

bool GrowthWatch::is_watched(const std::vector<JournalFile>& files) const {
  return std::equal(files.begin(), files.end(), files_.begin(), files_.end(),
                    [](const JournalFile& file, const File& watched) {
                      return file.path == watched.path && file.inode == watched.inode;
                    });
}

std::optional<GrowthWatch::Counts> GrowthWatch::counts_of(const File& file) {
  std::array<std::uint64_t, 2> numbers{};
  if (pread(file.fd.get(), numbers.data(), sizeof numbers, kCountsOffset) != ssize_t{sizeof numbers}) {
    return std::nullopt;
  }
  return Counts{le64toh(numbers[0]), le64toh(numbers[1])};
}

bool GrowthWatch::changed(File& file) {
  const auto counts = counts_of(file);
  return !counts || std::exchange(file.counts, *counts) != *counts;
}

void GrowthWatch::seeks() {
  if (!watches_several()) return;
  File* last = nullptr;
  last_seqnum_ = 0;
  for (File& file : files_) {
    const auto counts = counts_of(file);
    file.settled_entries = counts ? counts->entries : 0;
    if (!counts || counts->tail_seqnum < last_seqnum_) continue;
    last_seqnum_ = counts->tail_seqnum;
    last = &file;
  }
  // Of all entries only the last one that was begun may not be finished.
  if (last != nullptr && last->settled_entries > 0) --last->settled_entries;
}

bool GrowthWatch::may_have_passed_by(std::uint64_t seqnum) const {
  // What was older than that one had been finished when the seek was made.
  if (!watches_several() || seqnum <= last_seqnum_) return false;
  // What only one file has got since is all behind what the others had.
  const auto grown = std::count_if(files_.begin(), files_.end(), [](const File& file) {
    const auto counts = counts_of(file);
    return !counts || counts->entries != file.settled_entries;
  });
  return grown > 1;
}

std::uint64_t GrowthWatch::finished_through(const JournalId& seqnum_id) const {
  if (!known_) return 0;
  for (const File& file : files_) {
    std::array<char, kTailSeqnumAfterId + sizeof(std::uint64_t)> bytes{};
    const ssize_t count = pread(file.fd.get(), bytes.data(), bytes.size(), kSeqnumIdOffset);
    if (count != static_cast<ssize_t>(bytes.size())) return 0;
    if (std::memcmp(bytes.data(), seqnum_id.data(), seqnum_id.size()) != 0) continue;
    std::uint64_t tail_seqnum = 0;
    std::memcpy(&tail_seqnum, bytes.data() + kTailSeqnumAfterId, sizeof tail_seqnum);
    return std::max<std::uint64_t>(le64toh(tail_seqnum), 1) - 1;
  }
  return std::numeric_limits<std::uint64_t>::max();
}

bool GrowthWatch::grown() {
  if (!known_) return true;
  bool changed_now = false;
  for (File& file : files_) changed_now = changed(file) || changed_now;
  quiet_calls_ = changed_now ? 0 : std::min(quiet_calls_, kSettledAfter) + 1;
  return quiet_calls_ <= 1;
}

std::uint64_t GrowthWatch::last_begun() const {
  std::uint64_t seqnum = 0;
  for (const File& file : files_) seqnum = std::max(seqnum, file.counts.tail_seqnum);
  return seqnum;
}

}  // namespace stargazer
