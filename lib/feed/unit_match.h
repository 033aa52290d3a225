// Which journal entries `journalctl -u NAME` shows, as matches of sd-journal.
//
// An entry belongs to unit U when one of these groups holds; they are the union of what systemd 252 and 257 use:
//
//   _SYSTEMD_UNIT=U                                                   the unit's own processes
//   MESSAGE_ID=<coredump> AND COREDUMP_UNIT=U AND _UID=0 or the user systemd-coredump
//   _PID=1 AND UNIT=U                                                 the service manager about the unit
//   _SYSTEMD_CGROUP=/init.scope AND UNIT=U                            the same, as 257 asks
//   _UID=0 AND OBJECT_SYSTEMD_UNIT=U                                  privileged daemons about the unit
//   _SYSTEMD_SLICE=U                                                  only when U ends in ".slice"
//
// UNIT=, COREDUMP_UNIT= and OBJECT_SYSTEMD_UNIT= can be sent by anybody; the terms beside them, which journald itself
// writes, are what keeps forged entries out.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <systemd/sd-journal.h>

#include "core/result.h"

namespace stargazer {

// A name as `-u` reads it: without a unit type's suffix it is a service ("stargazer" is "stargazer.service"), "/"
// becomes "-", and bytes that no unit name may hold are escaped as "\x2f". A glob stays as it is. Absolute paths are
// not turned into mount or device units.
std::string mangled_unit_name(std::string_view name);

// True when `name` has one of * ? [.
bool is_unit_glob(std::string_view name);

// The configured units: plain names, and globs that are expanded against the names that the journal knows.
class UnitSelection {
 public:
  // Globs are expanded to at most this many units: every unit costs a look-up in each file.
  static constexpr std::size_t kUnitsMax = 1024;

  // REQUIRES: `names` is not empty.
  explicit UnitSelection(const std::vector<std::string>& names);

  bool has_globs() const { return !globs_.empty(); }

  // True when the globs match more than kUnitsMax units, and so the rest is not read.
  bool truncated() const { return truncated_; }

  // Adds the units that the globs match now. The value says whether there were new ones. Does not change the read
  // position. Fails when the journal cannot be asked.
  Result<bool> expand(sd_journal* journal);

  // Replaces the journal's matches: the selected units, and only this boot when `this_boot`. Nothing at all matches
  // while there are only globs, and none of them has matched a unit yet.
  Status apply(sd_journal* journal, bool this_boot) const;

  // Like apply(), of any boot, but with a part of what selects a unit: what a single term finds, which is nearly all of
  // its entries, or what several terms find together, such as what systemd says of it. libsystemd looks every term up
  // anew for every entry.
  Status apply_single_terms(sd_journal* journal) const;
  Status apply_combined_terms(sd_journal* journal) const;

  // The units that globs were expanded to and of which the journal has no entry up to `cursor`. Replaces the journal's
  // matches and position. Fails when the journal cannot be asked.
  Result<std::set<std::string>> new_after(sd_journal* journal, const std::string& cursor) const;

  // Replaces the journal's matches by those of `units`, of any boot. REQUIRES: `units` is not empty.
  static Status apply_only(sd_journal* journal, const std::set<std::string>& units);

 private:
  Status expand_field(sd_journal* journal, const char* field, bool& grown);
  std::set<std::string> selected() const;
  bool matches(const std::string& unit) const;

  std::vector<std::string> globs_;
  std::set<std::string> units_;
  bool truncated_ = false;
};

}  // namespace stargazer
