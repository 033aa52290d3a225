// The files of a real journald, asked whether anything was written to them.
#include "feed/growth_watch.h"

#include "support/journald.h"
#include "support/temporary_directory.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

constexpr const char* kUnit = "stargazer.service";

std::vector<JournalFile> files_of(const Journald& journald) {
  return list_journal_files(journal_places(journald.directory().string(), ""), {});
}

}  // namespace

TEST_CASE("what is written is told twice, and then no more", "[growth_watch]") {
  if (!Journald::possible()) {
    WARN("no journald of our own here: needs systemd, and root or namespaces");
    return;
  }
  const Journald journald;
  journald.send(kUnit, {"first"});
  GrowthWatch watch;
  CHECK(watch.grown());
  watch.watch(files_of(journald));
  CHECK(watch.grown());
  CHECK(watch.grown());
  CHECK_FALSE(watch.grown());
  journald.send(kUnit, {"second"});
  CHECK(watch.grown());
  CHECK(watch.grown());
  CHECK_FALSE(watch.grown());
  // Nothing has changed: what was seen stays seen.
  watch.watch(files_of(journald));
  CHECK_FALSE(watch.grown());

  journald.rotate();
  journald.send(kUnit, {"in another file"});
  watch.watch(files_of(journald));
  CHECK(watch.grown());
}

TEST_CASE("what cannot be known counts as growth", "[growth_watch]") {
  const TemporaryDirectory directory;
  GrowthWatch watch;
  JournalFile missing;
  missing.path = directory.path() / "missing.journal";
  missing.damage = "is too short";
  watch.watch({missing});
  for (int i = 0; i < 4; ++i) CHECK(watch.grown());
  watch.watch(std::vector<JournalFile>(GrowthWatch::kFilesMax + 1, missing));
  for (int i = 0; i < 4; ++i) CHECK(watch.grown());
  watch.watch({});
  for (int i = 0; i < 4; ++i) CHECK(watch.grown());
}
