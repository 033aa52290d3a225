// The cursor of a journal entry, as text and as the numbers in it.
//
//   cursor = "s=" id ";i=" hex ";b=" id ";m=" hex ";t=" hex [ ";x=" hex ]
//   id     = 32 hexadecimal digits          hex = 1 to 16 hexadecimal digits
//
// Every entry of libsystemd has the x. One without names a place in the journal whose entry nobody has read: it is made
// of what a file's header says about its last entry, and libsystemd seeks to it as well.
//
// Pure: text in, values out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace stargazer {

// The 16 bytes of an sd_id128_t, in the order in which they are written.
using JournalId = std::array<std::uint8_t, 16>;

// 32 lower-case hexadecimal digits.
std::string to_text(const JournalId& id);

struct Cursor {
  // libsystemd's have at most 177.
  static constexpr std::size_t kBytesMax = 256;

  // Takes exactly the form above, digits of either case. Fails on anything else, whatever the bytes.
  static Result<Cursor> parse(std::string_view text);

  // The form that parse() reads, in lower case and without leading zeros, as libsystemd writes it.
  std::string text() const;
  // The same, written to `to`; how many bytes it has. REQUIRES: kBytesMax of room.
  std::size_t write(char* to) const;

  // True when both name the same entry, also when journald has copied it to another file since, as at the flush from
  // /run to /var, which changes the sequence and the number. With one that has no x, the number decides within its
  // sequence.
  bool same_entry(const Cursor& other) const;

  // True when this entry comes after `other` in the order of libsystemd: by number within a sequence, by monotonic time
  // within a boot, by the clock otherwise.
  bool is_after(const Cursor& other) const;

  bool operator==(const Cursor&) const = default;

  JournalId seqnum_id{};  // names the sequence; one journald, and files that it has rotated, share it
  std::uint64_t seqnum = 0;
  JournalId boot{};
  std::uint64_t monotonic_usec = 0;  // since that boot
  std::uint64_t realtime_usec = 0;   // since 1970
  std::optional<std::uint64_t> xor_hash;
};

}  // namespace stargazer
