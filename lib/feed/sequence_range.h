// Up to where entries of one sequence of numbers go, asked by the text of a cursor: once for every entry, so without
// taking all of it apart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "feed/cursor.h"

namespace stargazer {

class SequenceRange {
 public:
  SequenceRange(const JournalId& seqnum_id, std::uint64_t last_seqnum);

  // Whether the entry is of that sequence and its number is not above the last one. `cursor`: as libsystemd writes it;
  // of any other text, false.
  bool covers(std::string_view cursor) const;

 private:
  std::string before_number_;
  std::uint64_t last_seqnum_;
};

}  // namespace stargazer
