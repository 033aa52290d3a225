#include "io/lease_memory.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

namespace stargazer {
namespace {

using Json = nlohmann::json;

std::string file_in(const std::string& state_dir) {
  return state_dir + "/lease.json";
}

std::string render(const LeaseMemory& memory) {
  const Json document{{"version", 1}, {"epoch", memory.epoch}, {"server", memory.server}};
  return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

bool is_server(const std::string& text) {
  return text.size() <= LeaseMemoryFile::kServerBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

Result<LeaseMemory> LeaseMemoryFile::parse(std::string_view text) {
  // By reference throughout: to copy a value that is nested a million deep would overflow the stack.
  const Json document = Json::parse(text, nullptr, false);
  if (!document.is_object()) return Error("is not a JSON object");
  const auto version = document.find("version");
  if (version == document.end() || *version != 1) return Error("is not a file of version 1");
  const auto epoch = document.find("epoch");
  if (epoch == document.end() || !epoch->is_number_unsigned() || epoch->get<std::uint64_t>() > kEpochMax) {
    return Error("its epoch is not a whole number of at most " + std::to_string(kEpochMax));
  }
  const auto server = document.find("server");
  if (server == document.end() || !server->is_string() || !is_server(server->get_ref<const std::string&>())) {
    return Error("its server is not a text of at most " + std::to_string(kServerBytesMax) + " printable characters");
  }
  return LeaseMemory{epoch->get<std::uint64_t>(), server->get<std::string>()};
}

Result<LeaseMemory> LeaseMemoryFile::load(const std::string& state_dir) {
  const std::string path = file_in(state_dir);
  Result<std::optional<std::string>> text = read_state_file(path, kFileBytesMax);
  if (!text.ok()) return text.error();
  if (!text->has_value()) return LeaseMemory{};
  Result<LeaseMemory> known = parse(**text);
  if (known.ok()) return known;
  move_damaged_aside(path);
  return known.error().in(path);
}

LeaseMemoryFile::LeaseMemoryFile(uv_loop_t* loop, const std::string& state_dir, LeaseMemory known,
                                 std::function<void(const std::string&)> on_problem)
    : memory_(std::move(known)),
      file_(
          loop, file_in(state_dir), [this] { return render(memory_); }, std::move(on_problem)) {}

void LeaseMemoryFile::store(const LeaseMemory& memory) {
  if (memory == memory_) return;
  memory_ = memory;
  file_.changed();
}

}  // namespace stargazer
