// Whether libsystemd shows all fields of an entry that journald has just written.
//
// An entry can be found before journald has linked the last of its fields to it. For that moment such a field looks
// damaged, and libsystemd passes by damaged fields without a word (seen with 252 and read in 257; journalctl loses it
// as well, but looks later). The cursor tells: its x is the XOR of the hashes of all fields
// (systemd.io/JOURNAL_FILE_FORMAT, "xor_hash").
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <systemd/sd-journal.h>

#include "core/result.h"

namespace stargazer {

// As journald hashes a field for xor_hash: lookup3 of Bob Jenkins, both halves. `field`: "NAME=value".
std::uint64_t journal_hash(std::string_view field);

// Of an entry with a field that is longer nothing is said: it counts as whole.
inline constexpr std::size_t kCheckedFieldBytesMax = std::size_t{64} * 1024;

// True when the entry at which `journal` stands has all fields that `xor_hash` was made of. A sender may have given one
// or two of the fields more than once, of which journald keeps one: that is whole. Changes where the journal's
// enumeration of fields stands, and sets its data threshold to `threshold_bytes` when it is done. Fails when the
// entry cannot be read.
Result<bool> is_whole(sd_journal* journal, std::uint64_t xor_hash, std::size_t threshold_bytes);

}  // namespace stargazer
