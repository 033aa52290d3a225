// The fields of entries straight from the files of a journal, for entries whose cursor libsystemd has named. A few
// files are mapped into memory, those that the last entries were in. What journal_image.h cannot read is left to
// libsystemd.
//
// A file that is cut short while it is read is a SIGBUS, as with libsystemd's own maps: see sigbus.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "feed/entry_fields.h"
#include "feed/journal_files.h"
#include "feed/journal_image.h"

namespace stargazer {

// One file, mapped, and the entry in it that was found last. No descriptor stays open.
class MappedFile : public EntryFields {
 public:
  // Nullptr when another file is there by now, or one that cannot be mapped or has a form that cannot be read.
  // `number`: one that no other has whose fields' ids are still in use; not 0.
  static std::unique_ptr<MappedFile> open(const JournalFile& file, std::uint32_t number);
  ~MappedFile() override;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // False after it has grown and could not be mapped again.
  bool is_mapped() const { return address_ != nullptr; }
  bool is(const JournalFile& file) const { return file.damage.empty() && file.file_id == file_id_; }
  // Where it is now. REQUIRES: is(file).
  void is_at(const JournalFile& file) { path_ = file.path; }

  // Goes to the entry with this cursor, as libsystemd writes it; false when it is not in this file.
  bool go_to(std::string_view cursor);

  // Both REQUIRE that the last go_to() found the entry.
  void restart() override { items_ = entry_items_; }
  Result<std::optional<std::string_view>> next() override;
  std::uint64_t next_id() const override;
  void skip() override { image_.skip_field(items_); }

 private:
  MappedFile(const JournalFile& file, std::uint32_t number)
      : path_(file.path), file_id_(file.file_id), number_(number) {}
  bool map();
  void unmap();

  std::string path_;
  const JournalId file_id_;
  const std::uint32_t number_;
  void* address_ = nullptr;
  std::size_t bytes_ = 0;
  JournalImage image_;
  std::string before_number_;  // how its entries' cursors begin
  JournalImage::Place place_;
  std::string_view entry_items_;
  std::string_view items_;  // that have not been read
};

class MappedEntries {
 public:
  // So many files are mapped at a time, and none that is longer; journald's own limit is the same.
  static constexpr std::size_t kFilesMax = 4;
  static constexpr std::uint64_t kFileBytesMax = sizeof(void*) < 8 ? 1U << 28U : std::uint64_t{1} << 32U;
  // After an entry that is in none of the files that were tried, no other file is tried for so many.
  static constexpr unsigned kMissesBeforeNextTry = 256;

  // What the journal's files are now: only these are kept, so that a deleted one gives its disk back.
  void know(const std::vector<JournalFile>& files);
  // Lets go of all of them.
  void clear() { mapped_.clear(); }

  // The fields of the entry with this cursor; nullptr when they cannot be read here. Good until the next call of this,
  // know() or clear(). `files`: as know() was told last. REQUIRES: the entry is finished, see entry_check.h.
  EntryFields* find(std::string_view cursor, const std::vector<JournalFile>& files);

 private:
  EntryFields* find_mapped(std::string_view cursor);
  EntryFields* find_in_others(std::string_view cursor, const std::vector<JournalFile>& files);

  std::list<std::unique_ptr<MappedFile>> mapped_;  // that of the last entry first
  std::uint32_t opened_ = 0;
  unsigned misses_left_ = 0;
};

}  // namespace stargazer
