#include "feed/entry_check.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "feed/journal_error.h"

namespace stargazer {
namespace {

static_assert(std::endian::native == std::endian::little, "lookup3 is read in words of little-endian machines here");

constexpr std::size_t kBlockBytes = 12;

struct Lookup3 {
  std::uint32_t a, b, c;

  void add(const char* bytes, std::size_t count) {
    std::array<std::uint32_t, 3> words{};
    std::memcpy(words.data(), bytes, count);
    a += words[0];
    b += words[1];
    c += words[2];
  }

  static void step(std::uint32_t& to, std::uint32_t& from, std::uint32_t& next, int bits) {
    to -= from;
    to ^= std::rotl(from, bits);
    from += next;
  }

  void mix() {
    step(a, c, b, 4);
    step(b, a, c, 6);
    step(c, b, a, 8);
    step(a, c, b, 16);
    step(b, a, c, 19);
    step(c, b, a, 4);
  }

  static void last_step(std::uint32_t& to, std::uint32_t from, int bits) {
    to ^= from;
    to -= std::rotl(from, bits);
  }

  void finish() {
    last_step(c, b, 14);
    last_step(a, c, 11);
    last_step(b, a, 25);
    last_step(c, b, 16);
    last_step(a, c, 4);
    last_step(b, a, 14);
    last_step(c, b, 24);
  }
};

// What the sender gave twice cancels out in the sum and is there once.
bool is_of_one_or_two(std::uint64_t difference, const std::vector<std::uint64_t>& hashes) {
  return std::any_of(hashes.begin(), hashes.end(), [&](std::uint64_t first) {
    return difference == first || std::find(hashes.begin(), hashes.end(), difference ^ first) != hashes.end();
  });
}

}  // namespace

std::uint64_t journal_hash(std::string_view field) {
  const auto start = 0xdeadbeefU + static_cast<std::uint32_t>(field.size());
  Lookup3 hash{start, start, start};
  for (; field.size() > kBlockBytes; field.remove_prefix(kBlockBytes)) {
    hash.add(field.data(), kBlockBytes);
    hash.mix();
  }
  if (!field.empty()) {
    hash.add(field.data(), field.size());
    hash.finish();
  }
  return std::uint64_t{hash.c} << 32U | hash.b;
}

Result<bool> is_whole(sd_journal* journal, std::uint64_t xor_hash, std::size_t threshold_bytes) {
  std::vector<std::uint64_t> hashes;
  std::uint64_t difference = xor_hash;
  const void* data = nullptr;
  std::size_t size = 0;
  int result = 0;
  sd_journal_set_data_threshold(journal, kCheckedFieldBytesMax);
  sd_journal_restart_data(journal);
  while ((result = sd_journal_enumerate_available_data(journal, &data, &size)) > 0 && size < kCheckedFieldBytesMax) {
    hashes.push_back(journal_hash({static_cast<const char*>(data), size}));
    difference ^= hashes.back();
  }
  sd_journal_set_data_threshold(journal, threshold_bytes);
  if (result < 0) return journal_error("fields", result);
  return result > 0 || difference == 0 || is_of_one_or_two(difference, hashes);
}

}  // namespace stargazer
