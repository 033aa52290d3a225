// The small parts that both ends of fd 3 need to read and write JSON (io/worker_rpc.h, io/worker_client.h).
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace stargazer {

// Whether objects and arrays lie more than `depth_max` deep in each other. To be asked before a text is parsed, as a
// tree that is deep costs the stack of whoever walks it.
bool nests_deeper(std::string_view text, int depth_max);

// Whole characters up to `bytes_max`, and a mark where the rest was.
std::string bounded_text(const std::string& text, std::size_t bytes_max);

// On one line. Bytes that are not UTF-8 are replaced.
template <typename Json>
std::string dump_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace stargazer
