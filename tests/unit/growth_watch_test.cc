// The files of a real journald, asked whether anything was written to them.
#include "feed/growth_watch.h"

#include "support/journal_maker.h"
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

TEST_CASE("what was counted settles once after each change", "[growth_watch]") {
  REQUIRE(can_make_journals());
  const TemporaryDirectory directory;
  const JournalEntry entry = {{"_SYSTEMD_UNIT", kUnit}, {"MESSAGE", "a galaxy"}};
  JournalMaker journal(directory.path() / "system.journal");
  journal.append({entry, entry});
  GrowthWatch watch;
  CHECK_FALSE(watch.settled());
  CHECK(watch.last_begun() == 0);
  watch.watch(list_journal_files(journal_places(directory.path().string(), ""), {}));
  const auto settled_at = [&watch] {
    std::vector<int> calls;
    for (int call = 0; call < 5 * GrowthWatch::kSettledAfter; ++call) {
      watch.grown();
      if (watch.settled()) calls.push_back(call);
    }
    return calls;
  };
  CHECK(settled_at() == std::vector<int>{GrowthWatch::kSettledAfter});
  CHECK(watch.last_begun() == 2);
  CHECK(settled_at().empty());
  journal.append({entry});
  CHECK(settled_at() == std::vector<int>{GrowthWatch::kSettledAfter});
  CHECK(watch.last_begun() == 3);
}

TEST_CASE("what cannot be known counts as growth", "[growth_watch]") {
  const TemporaryDirectory directory;
  GrowthWatch watch;
  JournalFile missing;
  missing.path = directory.path() / "missing.journal";
  missing.damage = "is too short";
  watch.watch({missing});
  for (int i = 0; i < 4; ++i) CHECK((watch.grown() && !watch.settled()));
  watch.watch(std::vector<JournalFile>(GrowthWatch::kFilesMax + 1, missing));
  for (int i = 0; i < 4; ++i) CHECK((watch.grown() && !watch.settled()));
  watch.watch({});
  for (int i = 0; i < 4; ++i) CHECK((watch.grown() && !watch.settled()));
}

TEST_CASE("what comes to two files since a seek may be passed by", "[growth_watch]") {
  REQUIRE(can_make_journals());
  const TemporaryDirectory directory;
  const JournalEntry entry = {{"_SYSTEMD_UNIT", kUnit}, {"MESSAGE", "a galaxy"}};
  JournalMaker system(directory.path() / "system.journal");
  JournalMaker user(directory.path() / "user-1000.journal");
  GrowthWatch watch;
  system.append({entry, entry, entry});
  watch.watch(list_journal_files(journal_places(directory.path().string(), ""), {}));
  CHECK_FALSE(watch.may_have_passed_by(9));
  user.append({entry, entry});
  watch.watch(list_journal_files(journal_places(directory.path().string(), ""), {}));
  watch.seeks();
  // Entry 3, the last one, may not have been finished. So one more in the other file is enough.
  CHECK_FALSE(watch.may_have_passed_by(9));
  system.append({entry});
  CHECK_FALSE(watch.may_have_passed_by(9));
  user.append({entry});
  CHECK(watch.may_have_passed_by(9));
  CHECK(watch.may_have_passed_by(4));
  CHECK_FALSE(watch.may_have_passed_by(3));
  watch.seeks();
  CHECK_FALSE(watch.may_have_passed_by(9));
}
