#include "feed/unit_match.h"

#include <algorithm>
#include <array>
#include <fnmatch.h>
#include <initializer_list>
#include <optional>
#include <pwd.h>

#include <systemd/sd-id128.h>

#include "feed/journal_error.h"

namespace stargazer {
namespace {

constexpr std::string_view kGlobCharacters = "*?[";

constexpr std::string_view kHex = "0123456789abcdef";

// The message id that systemd-coredump gives to its reports.
constexpr const char* kCoredumpMessage = "MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1";

constexpr std::array<std::string_view, 11> kUnitSuffixes = {".service", ".mount",     ".swap",  ".socket",
                                                            ".target",  ".device",    ".timer", ".path",
                                                            ".slice",   ".automount", ".scope"};

// The fields whose values are unit names, see the groups in the header.
constexpr std::array<const char*, 5> kUnitFields = {"_SYSTEMD_UNIT", "COREDUMP_UNIT", "UNIT", "OBJECT_SYSTEMD_UNIT",
                                                    "_SYSTEMD_SLICE"};

bool has_unit_suffix(std::string_view name) {
  return std::any_of(kUnitSuffixes.begin(), kUnitSuffixes.end(),
                     [name](std::string_view suffix) { return name.size() > suffix.size() && name.ends_with(suffix); });
}

bool is_allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view(":-_.\\@").find(c) != std::string_view::npos;
}

std::string escaped(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return {'\\', 'x', kHex[byte >> 4U], kHex[byte & 0xFU]};
}

// The user that systemd-coredump of systemd 257 logs as; none where it does not exist.
std::optional<uid_t> coredump_user() {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (getpwnam_r("systemd-coredump", &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return {};
  return entry.pw_uid;
}

// Adds one group: terms of one field are alternatives, different fields must all hold.
Status add_group(sd_journal* journal, const std::vector<std::string>& terms) {
  for (const std::string& term : terms) {
    const int error = sd_journal_add_match(journal, term.data(), term.size());
    if (error < 0) return journal_error("match " + term, error);
  }
  const int error = sd_journal_add_disjunction(journal);
  return error < 0 ? Status(journal_error("match", error)) : Status();
}

std::vector<std::vector<std::string>> groups_of(const std::string& unit, std::optional<uid_t> coredump_uid) {
  std::vector<std::string> coredump = {kCoredumpMessage, "COREDUMP_UNIT=" + unit, "_UID=0"};
  if (coredump_uid) coredump.push_back("_UID=" + std::to_string(*coredump_uid));
  std::vector<std::vector<std::string>> groups = {{"_SYSTEMD_UNIT=" + unit},
                                                  std::move(coredump),
                                                  {"_PID=1", "UNIT=" + unit},
                                                  {"_SYSTEMD_CGROUP=/init.scope", "UNIT=" + unit},
                                                  {"_UID=0", "OBJECT_SYSTEMD_UNIT=" + unit}};
  if (unit.ends_with(".slice")) groups.push_back({"_SYSTEMD_SLICE=" + unit});
  return groups;
}

Status add_this_boot(sd_journal* journal) {
  sd_id128_t boot{};
  int error = sd_id128_get_boot(&boot);
  if (error < 0) return journal_error("boot id", error);
  std::array<char, SD_ID128_STRING_MAX> text{};
  if (auto status = add_group(journal, {std::string("_BOOT_ID=") + sd_id128_to_string(boot, text.data())}); !status) {
    return status;
  }
  error = sd_journal_add_conjunction(journal);
  return error < 0 ? Status(journal_error("match", error)) : Status();
}

using Group = std::vector<std::string>;

bool any_group(const Group& /*group*/) {
  return true;
}

bool has_one_term(const Group& group) {
  return group.size() == 1;
}

bool has_several_terms(const Group& group) {
  return group.size() > 1;
}

Status add_units(sd_journal* journal, const std::set<std::string>& units, bool (*wanted)(const Group&)) {
  const std::optional<uid_t> coredump_uid = coredump_user();
  for (const std::string& unit : units) {
    for (const Group& group : groups_of(unit, coredump_uid)) {
      if (!wanted(group)) continue;
      if (auto status = add_group(journal, group); !status) return status;
    }
  }
  return {};
}

}  // namespace

std::string mangled_unit_name(std::string_view name) {
  if (is_unit_glob(name)) return std::string(name);
  std::string mangled;
  for (const char c : name) {
    if (c == '/') {
      mangled += '-';
    } else if (is_allowed(c)) {
      mangled += c;
    } else {
      mangled += escaped(c);
    }
  }
  return has_unit_suffix(mangled) ? mangled : mangled + ".service";
}

bool is_unit_glob(std::string_view name) {
  return name.find_first_of(kGlobCharacters) != std::string_view::npos;
}

UnitSelection::UnitSelection(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (is_unit_glob(name)) {
      globs_.push_back(name);
    } else {
      units_.insert(mangled_unit_name(name));
    }
  }
}

bool UnitSelection::matches(const std::string& unit) const {
  return std::any_of(globs_.begin(), globs_.end(), [&unit](const std::string& glob) {
    return fnmatch(glob.c_str(), unit.c_str(), FNM_NOESCAPE) == 0;
  });
}

Result<bool> UnitSelection::expand(sd_journal* journal) {
  bool grown = false;
  if (!has_globs()) return grown;
  truncated_ = false;
  for (const char* field : kUnitFields) {
    if (auto status = expand_field(journal, field, grown); !status) return status.error();
  }
  return grown;
}

Status UnitSelection::expand_field(sd_journal* journal, const char* field, bool& grown) {
  int result = sd_journal_query_unique(journal, field);
  if (result < 0) return journal_error(std::string("values of ") + field, result);
  const void* data = nullptr;
  std::size_t size = 0;
  while ((result = sd_journal_enumerate_available_unique(journal, &data, &size)) > 0) {
    std::string_view unit(static_cast<const char*>(data), size);
    unit.remove_prefix(std::min(size, unit.find('=') + 1));
    const std::string name(unit);
    if (!matches(name) || units_.contains(name)) continue;
    truncated_ = units_.size() >= kUnitsMax;
    if (truncated_) break;
    grown = units_.insert(name).second;
  }
  return result < 0 ? Status(journal_error(std::string("values of ") + field, result)) : Status();
}

Status UnitSelection::apply(sd_journal* journal, bool this_boot) const {
  sd_journal_flush_matches(journal);
  if (this_boot) {
    if (auto status = add_this_boot(journal); !status) return status;
  }
  return add_units(journal, selected(), any_group);
}

Status UnitSelection::apply_single_terms(sd_journal* journal) const {
  sd_journal_flush_matches(journal);
  return add_units(journal, selected(), has_one_term);
}

Status UnitSelection::apply_combined_terms(sd_journal* journal) const {
  sd_journal_flush_matches(journal);
  return add_units(journal, selected(), has_several_terms);
}

// Without any match everything would; a glob is never the name of a unit.
std::set<std::string> UnitSelection::selected() const {
  return units_.empty() ? std::set<std::string>{globs_.at(0)} : units_;
}

Status UnitSelection::apply_only(sd_journal* journal, const std::set<std::string>& units) {
  sd_journal_flush_matches(journal);
  return add_units(journal, units, any_group);
}

Result<std::set<std::string>> UnitSelection::new_after(sd_journal* journal, const std::string& cursor) const {
  std::set<std::string> found;
  for (const std::string& unit : units_) {
    if (!matches(unit)) continue;
    if (auto status = apply_only(journal, {unit}); !status) return status.error();
    int result = sd_journal_seek_cursor(journal, cursor.c_str());
    if (result >= 0) result = sd_journal_previous(journal);
    if (result < 0) return journal_error("the first entry of " + unit, result);
    if (result == 0) found.insert(unit);
  }
  return found;
}

}  // namespace stargazer
