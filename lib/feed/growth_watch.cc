#include "feed/growth_watch.h"

#include <algorithm>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace stargazer {
namespace {

// Of the header (systemd.io/JOURNAL_FILE_FORMAT): the number of entries, and after it the number of the last one.
constexpr off_t kCountsOffset = 152;

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
  again_ = true;
  known_ = !wanted.empty() && wanted.size() <= kFilesMax;
  if (!known_) return;
  for (const JournalFile& file : wanted) {
    files_.push_back({file.path, file.inode, UniqueFd(open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)), {}});
  }
}

bool GrowthWatch::is_watched(const std::vector<JournalFile>& files) const {
  return std::equal(files.begin(), files.end(), files_.begin(), files_.end(),
                    [](const JournalFile& file, const File& watched) {
                      return file.path == watched.path && file.inode == watched.inode;
                    });
}

bool GrowthWatch::changed(File& file) {
  std::array<char, 16> counts{};
  const ssize_t count = pread(file.fd.get(), counts.data(), counts.size(), kCountsOffset);
  if (count != static_cast<ssize_t>(counts.size())) return true;
  return std::exchange(file.counts, counts) != counts;
}

bool GrowthWatch::grown() {
  if (!known_) return true;
  bool changed_now = false;
  for (File& file : files_) changed_now = changed(file) || changed_now;
  return std::exchange(again_, changed_now) || changed_now;
}

}  // namespace stargazer
