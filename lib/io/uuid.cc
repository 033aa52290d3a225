#include "io/uuid.h"

#include <array>
#include <cassert>
#include <cerrno>
#include <sys/random.h>

namespace stargazer {
namespace {

using Bytes = std::array<unsigned char, 16>;

// Never blocks once the system has booted, and then fails only when interrupted.
Bytes random_bytes() {
  Bytes bytes{};
  ssize_t got = 0;
  do {
    got = getrandom(bytes.data(), bytes.size(), 0);
  } while (got < 0 && errno == EINTR);
  assert(got == static_cast<ssize_t>(bytes.size()));
  return bytes;
}

}  // namespace

std::string random_uuid() {
  constexpr const char* kHexDigits = "0123456789abcdef";
  Bytes bytes = random_bytes();
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0FU) | 0x40U);  // version 4
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3FU) | 0x80U);  // variant of RFC 9562
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    if (at == 4 || at == 6 || at == 8 || at == 10) text += '-';
    text += kHexDigits[bytes[at] >> 4U];
    text += kHexDigits[bytes[at] & 0xFU];
  }
  return text;
}

}  // namespace stargazer
