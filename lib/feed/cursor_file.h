// Remembers across restarts how far the feed has come: a small JSON file in the state directory.
//
//   { "version": 1, "directory": "", "namespace": "", "units": ["stargazer-*.service"],
//     "cursor": "s=…", "through": "s=…" }
//
// It names what the position belongs to. In another directory or namespace it means nothing and is not trusted; other
// units are read on from the same place, since their older entries were not asked for before.
//
// Whole at every moment: written beside, fsynced, renamed, and the directory fsynced (io/state_file.h). After a power
// cut the file is the last one whose save() has returned, or a newer one.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace stargazer {

// Which entries a position is one of: the `feed.` keys of the same names.
struct FeedSource {
  std::string directory;   // "" = the system's journal
  std::string name_space;  // "" = the default one
  std::vector<std::string> units;

  bool operator==(const FeedSource&) const = default;
};

struct SavedCursor {
  std::string cursor;   // JournalReader::safe_cursor(); reading on after it misses nothing
  std::string through;  // the last entry that was acknowledged, for StartAt::through; "" = the same as `cursor`

  bool operator==(const SavedCursor&) const = default;
};

class CursorFile {
 public:
  // A file larger than this is not ours: 256 units, of 256 bytes each, even if all were escapes.
  static constexpr std::size_t kFileBytesMax = std::size_t{512} * 1024;

  struct Content {
    FeedSource source;
    SavedCursor saved;

    bool operator==(const Content&) const = default;
  };

  // The position in the file at `path`; none when there is no such file. Fails when it cannot be read, is damaged or
  // too large, or belongs to another directory or namespace than `source`: the feed then starts as for the first time.
  // All but a file that cannot be read is first moved aside to PATH.damaged. The message starts with the path.
  static Result<std::optional<SavedCursor>> load(const std::string& path, const FeedSource& source);

  // Replaces the file. Blocks for two fsyncs; the caller does so at most once a second. Fails when it cannot be
  // written, and then the old one is still there. REQUIRES: saved.cursor is a cursor.
  static Status save(const std::string& path, const FeedSource& source, const SavedCursor& saved);

  // The text of such a file. Fails, whatever the bytes, on anything that render() does not write.
  static Result<Content> parse(std::string_view text);
  static std::string render(const Content& content);
};

}  // namespace stargazer
