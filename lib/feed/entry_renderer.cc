#include "feed/entry_renderer.h"

#include <array>
#include <string_view>

#include <systemd/sd-id128.h>

#include "feed/journal_error.h"

// Since systemd 254; absent from an older libsystemd, whose journalctl does not print these two members either.
extern "C" int sd_journal_get_seqnum(sd_journal* journal, std::uint64_t* seqnum, sd_id128_t* seqnum_id)
    __attribute__((weak));

namespace stargazer {
namespace {

Status to_status(std::string_view what, int result) {
  return result < 0 ? Status(journal_error(what, result)) : Status();
}

std::string to_text(sd_id128_t id) {
  std::array<char, SD_ID128_STRING_MAX> text{};
  return sd_id128_to_string(id, text.data());
}

}  // namespace

Status EntryRenderer::append(sd_journal* journal, const std::string& cursor, std::string& out) {
  object_.clear();
  if (auto status = add_header(journal, cursor); !status) return status;
  if (auto status = add_fields(journal); !status) return status;
  if (object_.bytes_max() > kEntryBytesMax) return Error("entry too large");
  object_.append_to(out);
  return {};
}

Status EntryRenderer::add_header(sd_journal* journal, const std::string& cursor) {
  std::uint64_t monotonic_usec = 0;
  sd_id128_t boot{};
  if (auto status = to_status("time", sd_journal_get_realtime_usec(journal, &realtime_usec_)); !status) return status;
  if (auto status = to_status("time", sd_journal_get_monotonic_usec(journal, &monotonic_usec, &boot)); !status) {
    return status;
  }
  object_.add("__CURSOR", cursor);
  object_.add("__REALTIME_TIMESTAMP", std::to_string(realtime_usec_));
  object_.add("__MONOTONIC_TIMESTAMP", std::to_string(monotonic_usec));
  object_.add("_BOOT_ID", to_text(boot));
  if (sd_journal_get_seqnum == nullptr) return {};
  std::uint64_t seqnum = 0;
  sd_id128_t seqnum_id{};
  if (auto status = to_status("number", sd_journal_get_seqnum(journal, &seqnum, &seqnum_id)); !status) return status;
  object_.add("__SEQNUM", std::to_string(seqnum));
  object_.add("__SEQNUM_ID", to_text(seqnum_id));
  return {};
}

Status EntryRenderer::add_fields(sd_journal* journal) {
  const void* data = nullptr;
  std::size_t size = 0;
  int result = 0;
  sd_journal_restart_data(journal);
  while ((result = sd_journal_enumerate_available_data(journal, &data, &size)) > 0) {
    const std::string_view field(static_cast<const char*>(data), size);
    const std::size_t name_bytes = field.find('=');
    if (name_bytes == std::string_view::npos || field.substr(0, name_bytes) == "_BOOT_ID") continue;
    object_.add(field.substr(0, name_bytes), field.substr(name_bytes + 1));
  }
  return to_status("fields", result);
}

}  // namespace stargazer
