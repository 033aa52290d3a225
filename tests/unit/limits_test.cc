#include "core/limits.h"

#include "unit/catch.h"

using namespace stargazer;

TEST_CASE("sizes are read with and without a unit, and written in the shortest way", "[limits]") {
  const auto [text, bytes, shown] = GENERATE(table<const char*, std::uint64_t, const char*>({
      {"0", 0, "0"},
      {"1000", 1000, "1000"},
      {"4096", 4096, "4K"},
      {"1536K", 1536 * 1024, "1536K"},
      {"512M", std::uint64_t{512} << 20, "512M"},
      {"2G", std::uint64_t{2} << 30, "2G"},
      {"1024T", std::uint64_t{1} << 50, "1024T"},
  }));
  INFO(text);
  const auto size = parse_size(text);
  REQUIRE(size.ok());
  CHECK(*size == bytes);
  CHECK(format_size(bytes) == shown);
}

TEST_CASE("what is no size is refused with the text and what is allowed", "[limits]") {
  const std::string text = GENERATE("", "M", "-1", "+1", " 1", "1 M", "1m", "1MB", "1.5G", "0x10", "1K1", "1025T",
                                    "18446744073709551616", "99999999999999T", "1\xff");
  INFO(text);
  const auto size = parse_size(text);
  REQUIRE_FALSE(size.ok());
  CHECK(size.error().message() == "\"" + text +
                                      "\" is no size, allowed is a number of bytes up to 1024T, with K, M, G or T for "
                                      "multiples of 1024");
}

TEST_CASE("limits are told in a few words, those that are set", "[limits]") {
  CHECK(limits_text({}).empty());
  CHECK_FALSE(Limits{}.any());
  const Limits all{.memory_max_bytes = std::uint64_t{512} << 20, .cpu_weight = 50, .processes_max = 32, .nice = -5};
  CHECK(all.any());
  CHECK(limits_text(all) == "memory_max 512M, processes_max 32, cpu_weight 50, nice -5");
}
