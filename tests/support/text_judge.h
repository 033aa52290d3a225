// Which bytes journalctl prints as a string, decided in another way than lib/feed does: by decoding into numbers with
// the ranges of the Unicode standard (table 3-7) and looking the number up.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace stargazer::testing {

inline bool is_text_by_the_table(std::string_view bytes) {
  struct Form {
    unsigned char first_min, first_max, second_min, second_max;
    std::size_t length;
  };
  constexpr std::array<Form, 9> kForms{{{0x00, 0x7F, 0, 0, 1},
                                        {0xC2, 0xDF, 0x80, 0xBF, 2},
                                        {0xE0, 0xE0, 0xA0, 0xBF, 3},
                                        {0xE1, 0xEC, 0x80, 0xBF, 3},
                                        {0xED, 0xED, 0x80, 0x9F, 3},
                                        {0xEE, 0xEF, 0x80, 0xBF, 3},
                                        {0xF0, 0xF0, 0x90, 0xBF, 4},
                                        {0xF1, 0xF3, 0x80, 0xBF, 4},
                                        {0xF4, 0xF4, 0x80, 0x8F, 4}}};
  const auto at = [&bytes](std::size_t place) { return static_cast<unsigned char>(bytes[place]); };
  for (std::size_t place = 0; place < bytes.size();) {
    const auto* form = std::find_if(kForms.begin(), kForms.end(), [&](const Form& candidate) {
      return at(place) >= candidate.first_min && at(place) <= candidate.first_max;
    });
    if (form == kForms.end() || place + form->length > bytes.size()) return false;
    unsigned long code = form->length == 1 ? at(place) : at(place) % (1UL << (7 - form->length));
    for (std::size_t more = 1; more < form->length; ++more) {
      const unsigned char byte = at(place + more);
      if (byte < (more == 1 ? form->second_min : 0x80) || byte > (more == 1 ? form->second_max : 0xBF)) return false;
      code = code * 64 + byte % 64;
    }
    if (code < 32 && code != 9 && code != 10) return false;
    if (code >= 127 && code < 160) return false;
    if (code % 65536 >= 65534 || (code >= 0xFDD0 && code < 0xFDF0)) return false;
    place += form->length;
  }
  return true;
}

}  // namespace stargazer::testing
