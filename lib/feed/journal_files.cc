#include "feed/journal_files.h"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <unordered_map>
#include <utility>

#include <systemd/sd-id128.h>

#include "feed/journal_bytes.h"
#include "io/system_error.h"
#include "io/unique_fd.h"

namespace stargazer {
namespace {

bool is_journal_name(std::string_view name) {
  return name.ends_with(".journal") || name.ends_with(".journal~");
}

std::string_view name_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

using Known = std::unordered_map<std::string_view, const JournalFile*>;

std::optional<JournalFile> look_into(std::string path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat found {};
  if (!fd || fstat(fd.get(), &found) != 0 || !S_ISREG(found.st_mode)) return {};
  std::array<char, kJournalHeaderBytes> header{};
  const ssize_t count = pread(fd.get(), header.data(), header.size(), 0);
  if (count < 0) return {};
  JournalFile file;
  file.path = std::move(path);
  file.inode = found.st_ino;
  file.modified_usec = std::int64_t{found.st_mtim.tv_sec} * 1'000'000 + found.st_mtim.tv_nsec / 1000;
  read_journal_header({header.data(), static_cast<std::size_t>(count)}, static_cast<std::uint64_t>(found.st_size),
                      file);
  return file;
}

class Listing {
 public:
  Listing(const JournalPlaces& places, const std::vector<JournalFile>& known) : places_(places) {
    for (const JournalFile& file : known) known_.emplace(file.path, &file);
  }

  void add_directory(const std::string& path, bool with_subdirectories) {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), closedir);
    if (directory == nullptr) return;
    while (const dirent* entry = readdir(directory.get())) {
      const std::string_view name = entry->d_name;
      const std::string full = path + "/" + entry->d_name;
      if (is_journal_name(name)) {
        add_file(full, entry->d_ino);
      } else if (with_subdirectories && places_.accepts(name)) {
        add_directory(full, false);
      }
    }
  }

  std::vector<JournalFile> take() { return std::move(files_); }

 private:
  void add_file(const std::string& path, ino_t inode) {
    const auto found = known_.find(path);
    const bool same = found != known_.end() && found->second->inode == inode;
    if (same && found->second->archived() && found->second->damage.empty()) {
      files_.push_back(*found->second);
    } else if (auto file = look_into(path)) {
      files_.push_back(std::move(*file));
    }
  }

  const JournalPlaces& places_;
  Known known_;
  std::vector<JournalFile> files_;
};

bool is_id(std::string_view name) {
  return name.size() == 32 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

bool JournalFile::archived() const {
  return name_of(path).find('@') != std::string_view::npos;
}

Cursor JournalFile::tail() const {
  Cursor cursor;
  cursor.seqnum_id = seqnum_id;
  // The entry with the last number may not be there yet, and has to be read when it is.
  cursor.seqnum = tail_seqnum - 1;
  cursor.boot = tail_boot;
  cursor.monotonic_usec = tail_monotonic_usec;
  cursor.realtime_usec = tail_realtime_usec;
  return cursor;
}

void read_journal_header(std::string_view bytes, std::uint64_t file_bytes, JournalFile& file) {
  if (bytes.size() < kJournalHeaderBytes) {
    file.damage = "is too short";
  } else if (!bytes.starts_with(kJournalSignature)) {
    file.damage = "does not begin like a journal file";
  } else if (number_at(bytes, 88) > file_bytes || number_at(bytes, 96) > file_bytes - number_at(bytes, 88)) {
    file.damage = "has been cut short";
  }
  if (!file.damage.empty()) return;
  file.file_id = id_at(bytes, 24);
  file.tail_boot = id_at(bytes, 56);
  file.seqnum_id = id_at(bytes, 72);
  file.entries = number_at(bytes, 152);
  if (file.entries == 0) return;
  file.tail_seqnum = number_at(bytes, 160);
  file.head_seqnum = number_at(bytes, 168);
  file.head_realtime_usec = number_at(bytes, 184);
  file.tail_realtime_usec = number_at(bytes, 192);
  file.tail_monotonic_usec = number_at(bytes, 200);
}

JournalPlaces journal_places(const std::string& directory, const std::string& name_space) {
  if (!directory.empty()) return {{directory}, is_id};
  std::string wanted;
  sd_id128_t machine{};
  std::array<char, SD_ID128_STRING_MAX> text{};
  if (sd_id128_get_machine(&machine) >= 0) wanted = sd_id128_to_string(machine, text.data());
  if (!name_space.empty()) wanted += "." + name_space;
  return {{"/run/log/journal", "/var/log/journal"}, [wanted](std::string_view name) { return name == wanted; }};
}

std::vector<JournalFile> list_journal_files(const JournalPlaces& places, const std::vector<JournalFile>& known) {
  Listing listing(places, known);
  for (const std::string& root : places.roots) listing.add_directory(root, true);
  return listing.take();
}

const JournalFile* newest_file(const std::vector<JournalFile>& files) {
  const JournalFile* newest = nullptr;
  for (const JournalFile& file : files) {
    if (file.entries == 0) continue;
    if (newest == nullptr || file.tail_realtime_usec > newest->tail_realtime_usec) newest = &file;
  }
  return newest;
}

}  // namespace stargazer
