// Whatever a worker writes on its fd 3: it is a request, or it is answered with one line of JSON that says why not.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <nlohmann/json.hpp>

#include "io/worker_rpc.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const auto request = stargazer::parse_rpc(line);
  const std::string answer = request.ok() ? stargazer::rpc_result(*request, "{}") : request.error().message();
  if (answer.find('\n') != std::string::npos) std::abort();
  if (request.ok() && request->id.empty()) return 0;  // a notification, which is not answered
  if (!nlohmann::json::accept(answer)) std::abort();
  return 0;
}
