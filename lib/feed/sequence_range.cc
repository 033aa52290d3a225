#include "feed/sequence_range.h"

#include <charconv>
#include <system_error>

namespace stargazer {

SequenceRange::SequenceRange(const JournalId& seqnum_id, std::uint64_t last_seqnum)
    : before_number_("s=" + to_text(seqnum_id) + ";i="), last_seqnum_(last_seqnum) {}

bool SequenceRange::covers(std::string_view cursor) const {
  if (!cursor.starts_with(before_number_)) return false;
  cursor.remove_prefix(before_number_.size());
  std::uint64_t seqnum = 0;
  const auto [end, error] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), seqnum, 16);
  const bool whole = error == std::errc() && end != cursor.data() + cursor.size() && *end == ';';
  return whole && seqnum <= last_seqnum_;
}

}  // namespace stargazer
