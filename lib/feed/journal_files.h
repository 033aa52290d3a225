// What the files of a journal say about themselves: which sequence of numbers each belongs to and which part of it it
// holds. libsystemd does not tell; the header of a file does, and its layout is a documented format
// (systemd.io/JOURNAL_FILE_FORMAT).
//
// journald writes while we look: a tail can be one ahead of the last entry that can be read.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "feed/cursor.h"

namespace stargazer {

struct JournalFile {
  std::string path;
  ino_t inode = 0;
  std::int64_t modified_usec = 0;  // since 1970
  // What keeps libsystemd from reading it at all; "" = nothing. Then none of what follows is known.
  std::string damage;

  JournalId file_id{};    // stays when journald renames the file
  JournalId seqnum_id{};  // the sequence that its entries are numbered in
  std::uint64_t entries = 0;
  // Numbers, times since 1970, time since the boot: all 0 without entries.
  std::uint64_t head_seqnum = 0;
  std::uint64_t tail_seqnum = 0;
  std::uint64_t head_realtime_usec = 0;
  std::uint64_t tail_realtime_usec = 0;
  std::uint64_t tail_monotonic_usec = 0;
  JournalId tail_boot{};

  // Rotated: nothing is written to it any more.
  bool archived() const;
  // A place at or right before its last entry, in the form of a cursor. REQUIRES: entries > 0.
  Cursor tail() const;
};

// Reads the header, `bytes` of a file that has `file_bytes` in all, into `file`: its damage or the rest.
void read_journal_header(std::string_view bytes, std::uint64_t file_bytes, JournalFile& file);

// Where a journal's files are: in these directories, and in those of their subdirectories that `accepts` by name.
struct JournalPlaces {
  std::vector<std::string> roots;
  std::function<bool(std::string_view)> accepts;
};

// `directory` and `name_space` as JournalReader takes them.
JournalPlaces journal_places(const std::string& directory, const std::string& name_space);

// The files that can be looked into, in no order; others, and directories that cannot be read, are left out. Archived
// files that `known` has are taken from there: nothing in them changes.
std::vector<JournalFile> list_journal_files(const JournalPlaces& places, const std::vector<JournalFile>& known);

// The file with the newest last entry; nullptr when none has entries.
const JournalFile* newest_file(const std::vector<JournalFile>& files);

}  // namespace stargazer
