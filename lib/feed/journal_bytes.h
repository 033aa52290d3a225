// Numbers and ids in the bytes of a journal file (systemd.io/JOURNAL_FILE_FORMAT).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <endian.h>
#include <string_view>

#include "feed/cursor.h"

namespace stargazer {

// How a journal file begins, and what of its header every version of the format has: up to the monotonic time of the
// last entry.
inline constexpr std::string_view kJournalSignature = "LPKSHHRH";
inline constexpr std::size_t kJournalHeaderBytes = 208;

// The little-endian number of 8 bytes at this offset. REQUIRES: `bytes` has them.
inline std::uint64_t number_at(std::string_view bytes, std::size_t at) {
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return le64toh(number);
}

// REQUIRES: `bytes` has 16 of them at this offset.
inline JournalId id_at(std::string_view bytes, std::size_t at) {
  JournalId id{};
  std::memcpy(id.data(), bytes.data() + at, id.size());
  return id;
}

}  // namespace stargazer
