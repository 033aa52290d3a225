// The limit of any reader: goes through a journal with the matches of `journalctl -u UNIT` and looks at every field,
// without doing anything with them. Prints "ENTRIES BYTES".
//
// usage: feed_read_loop DIRECTORY UNIT
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include <systemd/sd-journal.h>

#include "feed/unit_match.h"

namespace {

// As journalctl and the feed set it: it bounds what is decompressed.
constexpr std::size_t kThresholdBytes = 4096;

struct Closer {
  void operator()(sd_journal* journal) const { sd_journal_close(journal); }
};

int fail(const std::string& what) {
  std::fprintf(stderr, "feed_read_loop: %s\n", what.c_str());
  return 1;
}

struct Sum {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
};

// The result of the last sd_journal_next: 0 when all went well.
int read_all(sd_journal* journal, Sum& sum) {
  int found = 0;
  while ((found = sd_journal_next(journal)) > 0) {
    ++sum.entries;
    const void* data = nullptr;
    std::size_t size = 0;
    SD_JOURNAL_FOREACH_DATA(journal, data, size) {
      sum.bytes += size;
    }
  }
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return fail("usage: feed_read_loop DIRECTORY UNIT");
  sd_journal* opened = nullptr;
  if (sd_journal_open_directory(&opened, argv[1], 0) < 0) return fail("cannot open the journal");
  const std::unique_ptr<sd_journal, Closer> journal(opened);
  const stargazer::UnitSelection selection({argv[2]});
  if (auto status = selection.apply(opened, false); !status) return fail(status.error().message());
  sd_journal_set_data_threshold(opened, kThresholdBytes);
  Sum sum;
  if (sd_journal_seek_head(opened) < 0 || read_all(opened, sum) < 0) return fail("cannot read the journal");
  std::printf("%llu %llu\n", static_cast<unsigned long long>(sum.entries), static_cast<unsigned long long>(sum.bytes));
  return 0;
}
