#include "config_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  stargazer::fuzz_config(data, size, stargazer::ConfigFormat::kJson);
  return 0;
}
