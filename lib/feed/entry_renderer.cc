#include "feed/entry_renderer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fnmatch.h>
#include <optional>
#include <utility>

#include <systemd/sd-journal.h>

// Since systemd 254; absent from an older libsystemd, whose journalctl does not print the numbers either. Never called.
extern "C" int sd_journal_get_seqnum(sd_journal* journal, std::uint64_t* seqnum, sd_id128_t* seqnum_id)
    __attribute__((weak));

namespace stargazer {
namespace {

// The names and texts of the header beside the cursor: 20 digits at most, or an id.
constexpr std::size_t kHeaderRoomBytes = 512;

constexpr std::size_t kIdDigits = 32;

// A number in decimal.
struct ShortText {
  std::array<char, 20> bytes{};
  std::size_t size = 0;

  std::string_view view() const { return {bytes.data(), size}; }
};

// Takes "MARK" and an id off the front; "" when that is not what is there.
std::string_view take_id(std::string_view& cursor, std::string_view mark) {
  if (!cursor.starts_with(mark) || cursor.size() < mark.size() + kIdDigits) return {};
  const std::string_view id = cursor.substr(mark.size(), kIdDigits);
  cursor.remove_prefix(mark.size() + kIdDigits);
  return id;
}

// Takes "MARK" and a hexadecimal number off the front; false when that is not what is there.
bool take_number(std::string_view& cursor, std::string_view mark, ShortText& decimal) {
  if (!cursor.starts_with(mark)) return false;
  const char* const begin = cursor.data() + mark.size();
  const char* const end = cursor.data() + cursor.size();
  std::uint64_t number = 0;
  const auto [stopped, error] = std::from_chars(begin, end, number, 16);
  if (error != std::errc() || stopped == begin) return false;
  cursor.remove_prefix(static_cast<std::size_t>(stopped - cursor.data()));
  decimal.size = static_cast<std::size_t>(
      std::to_chars(decimal.bytes.data(), decimal.bytes.data() + decimal.bytes.size(), number).ptr -
      decimal.bytes.data());
  return true;
}

char* write(char* to, std::string_view text) {
  std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

char* write_member(char* to, std::string_view name, std::string_view value) {
  to = write(write(write(to, ",\""), name), "\":\"");
  return write(write(to, value), "\"");
}

bool matches_any(const std::vector<std::string>& globs, const std::string& text) {
  return std::any_of(globs.begin(), globs.end(),
                     [&text](const std::string& glob) { return fnmatch(glob.c_str(), text.c_str(), 0) == 0; });
}

struct Field {
  std::string_view name;
  std::string_view value;
};

// The next field of the entry, without a name when it is not a field at all; nothing at its end.
Result<std::optional<Field>> next_field(EntryFields& fields) {
  const auto next = fields.next();
  if (!next) return next.error();
  if (!*next) return std::optional<Field>();
  const std::string_view field = **next;
  const std::size_t name_bytes = field.substr(0, kFieldNameBytesMax + 1).find('=');
  if (name_bytes == std::string_view::npos) return std::optional(Field{});
  return std::optional(Field{field.substr(0, name_bytes), field.substr(name_bytes + 1)});
}

}  // namespace

// What libsystemd has written into the cursor need not be asked for again.
struct EntryRenderer::Header {
  std::string_view seqnum_id;
  ShortText seqnum;
  std::string_view boot;
  ShortText monotonic;
  ShortText realtime;

  // The views are into `cursor`. False when it has another form than libsystemd's.
  bool read(std::string_view cursor) {
    seqnum_id = take_id(cursor, "s=");
    const bool numbered = take_number(cursor, ";i=", seqnum);
    boot = take_id(cursor, ";b=");
    return !seqnum_id.empty() && numbered && !boot.empty() && take_number(cursor, ";m=", monotonic) &&
           take_number(cursor, ";t=", realtime);
  }

  template <typename Function>
  void for_each(Function function) const {
    function("__REALTIME_TIMESTAMP", realtime.view());
    function("__MONOTONIC_TIMESTAMP", monotonic.view());
    function("_BOOT_ID", boot);
    if (sd_journal_get_seqnum == nullptr) return;
    function("__SEQNUM", seqnum.view());
    function("__SEQNUM_ID", seqnum_id);
  }
};

EntryRenderer::EntryRenderer(EntrySelection selection)
    : selection_(std::move(selection)),
      selects_entries_(selection_.max_priority < 7 || !selection_.include_identifiers.empty() ||
                       !selection_.exclude_identifiers.empty()),
      limit_bytes_(selection_.max_entry_bytes == 0 ? kEntryBytesMax : selection_.max_entry_bytes),
      names_(selection_.fields) {}

Result<bool> EntryRenderer::append(EntryFields& fields, std::string_view cursor, OutBuffer& out) {
  Header header;
  if (!header.read(cursor)) return Error("its cursor cannot be read");
  const std::size_t begin = out.size();
  char* to = out.room(kHeaderRoomBytes + cursor.size());
  to = write(write(write(to, "{\"__CURSOR\":\""), cursor), "\"");
  header.for_each([&to](std::string_view name, std::string_view value) { to = write_member(to, name, value); });
  out.commit(to);
  const auto written = write_fields(fields, out, begin);
  if (!written) {
    out.truncate(begin);
    return written.error();
  }
  const bool whole = *written == Written::kWhole;
  if (whole && is_selected() && out.size() - begin < limit_bytes_) {
    out.append("}");
    return true;
  }
  out.truncate(begin);
  if (whole && !is_selected()) return false;
  if (auto status = gather(fields, cursor, header); !status) return status.error();
  if (!is_selected()) return false;
  if (object_.bytes_max() > kEntryBytesMax) return Error("entry too large");
  object_.append_to(out, limit_bytes_);
  return true;
}

void EntryRenderer::write_known(const RenderedFields::Field& field, OutBuffer& out) {
  char* const to = out.room(sizeof field.text);
  // Of a known size, so that it is no call.
  std::memcpy(to, field.text.data(), sizeof field.text);
  out.commit(to + field.bytes);
}

// `id`: as EntryFields gave it.
void EntryRenderer::write_new(const FieldNames::Name& name, std::string_view value, std::uint64_t id, OutBuffer& out) {
  const std::size_t begin = out.size();
  if (name.published) {
    char* const to = out.room(sizeof name.member + kValueRoomBytes);
    std::memcpy(to, name.member.data(), sizeof name.member);
    out.commit(write_json_value(to + name.member_bytes, name.name_bytes, value));
  }
  const bool noted = selects_entries_ && name.kind != FieldNames::Kind::kOther;
  if (id != 0 && name.name_bytes != 0 && !noted) rendered_.add(id, name, out.view().substr(begin));
}

Result<EntryRenderer::Written> EntryRenderer::write_fields(EntryFields& fields, OutBuffer& out, std::size_t begin) {
  if (!names_.next_entry()) rendered_.clear();
  priority_ = -1;
  identifier_.clear();
  fields.restart();
  for (;;) {
    const std::uint64_t id = fields.next_id();
    if (const auto* const known = rendered_.find(id)) {
      if (!names_.take_again(*known->name) || out.size() - begin > limit_bytes_) return Written::kNeedsGathering;
      write_known(*known, out);
      fields.skip();
      continue;
    }
    const auto found = next_field(fields);
    if (!found) return found.error();
    if (!*found) return Written::kWhole;
    const auto [text, value] = **found;
    const FieldNames::Name* const name = names_.take(text);
    if (name == nullptr || out.size() - begin > limit_bytes_) return Written::kNeedsGathering;
    if (selects_entries_) note(name->kind, value);
    write_new(*name, value, id, out);
  }
}

Status EntryRenderer::gather(EntryFields& fields, std::string_view cursor, const Header& header) {
  object_.clear();
  priority_ = -1;
  identifier_.clear();
  object_.add("__CURSOR", cursor);
  header.for_each([this](std::string_view name, std::string_view value) { object_.add(name, value); });
  fields.restart();
  for (;;) {
    const auto found = next_field(fields);
    if (!found) return found.error();
    if (!*found) return {};
    const auto [name, value] = **found;
    if (name == "PRIORITY") note(FieldNames::Kind::kPriority, value);
    if (name == "SYSLOG_IDENTIFIER") note(FieldNames::Kind::kIdentifier, value);
    if (names_.is_published(name)) object_.add(name, value);
  }
}

void EntryRenderer::note(FieldNames::Kind kind, std::string_view value) {
  if (kind == FieldNames::Kind::kPriority && value.size() == 1 && value[0] >= '0' && value[0] <= '7') {
    priority_ = value[0] - '0';
  }
  if (kind == FieldNames::Kind::kIdentifier) identifier_ = value.substr(0, kThresholdBytes);
}

bool EntryRenderer::is_selected() const {
  if (!selects_entries_) return true;
  if (selection_.max_priority < 7 && (priority_ < 0 || priority_ > static_cast<int>(selection_.max_priority))) {
    return false;
  }
  const auto& included = selection_.include_identifiers;
  return (included.empty() || matches_any(included, identifier_)) &&
         !matches_any(selection_.exclude_identifiers, identifier_);
}

}  // namespace stargazer
