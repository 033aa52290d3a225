// A damaged or hostile lease.json: an error or a memory within its limits.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "io/lease_memory.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using stargazer::LeaseMemoryFile;
  const auto known = LeaseMemoryFile::parse({reinterpret_cast<const char*>(data), size});
  if (!known.ok()) return known.error().message().empty() ? std::abort(), 0 : 0;
  if (known->epoch > LeaseMemoryFile::kEpochMax) std::abort();
  if (known->server.size() > LeaseMemoryFile::kServerBytesMax) std::abort();
  return 0;
}
