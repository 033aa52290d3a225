#include "io/run_memory.h"

#include <cerrno>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <nlohmann/json.hpp>

#include "io/state_file.h"
#include "io/system_error.h"

namespace stargazer {
namespace {

using Json = nlohmann::json;

// The year 2200: what lies within it can be subtracted from now in nanoseconds.
constexpr WallTime kWallTimeMax{std::chrono::sys_days(std::chrono::year(2200) / 1 / 1)};

std::string file_in(const std::string& state_dir) {
  return state_dir + "/last_ends.json";
}

std::string render(const RunMemory::LastEnds& ends) {
  Json document{{"version", 1}, {"last_ends", Json::object()}};
  for (const auto& [task, end] : ends) document["last_ends"][task] = end.time_since_epoch().count();
  return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

Result<RunMemory::LastEnds> RunMemory::parse(std::string_view text) {
  // By reference throughout: to copy a value that is nested a million deep would overflow the stack.
  const Json document = Json::parse(text, nullptr, false);
  if (!document.is_object()) return Error("is not a JSON object");
  const auto version = document.find("version");
  if (version == document.end() || *version != 1) return Error("is not a file of version 1");
  const auto ends = document.find("last_ends");
  if (ends == document.end() || !ends->is_object()) return Error("has no object last_ends");
  LastEnds known;
  for (const auto& [task, end] : ends->items()) {
    // A number above the largest signed one reads as a negative one.
    if (!end.is_number_integer()) return Error("the last end of \"" + task + "\" is not a whole number");
    const WallTime time{std::chrono::microseconds(end.get<std::int64_t>())};
    if (time < WallTime() || time > kWallTimeMax) return Error("the last end of \"" + task + "\" is out of range");
    known[task] = time;
  }
  return known;
}

Result<RunMemory::LastEnds> RunMemory::load(const std::string& state_dir) {
  const std::string path = file_in(state_dir);
  Result<std::optional<std::string>> text = read_state_file(path, kFileBytesMax);
  if (!text.ok()) return text.error();
  if (!text->has_value()) return LastEnds{};
  Result<LastEnds> known = parse(**text);
  if (known.ok()) return known;
  move_damaged_aside(path);
  return known.error().in(path);
}

Status RunMemory::check_writable(const std::string& state_dir) {
  if (mkdir(state_dir.c_str(), 0750) != 0 && errno != EEXIST) return system_error(state_dir, errno);
  const std::string probe = state_dir + "/.probe";
  Status written = replace_file(probe, "x");
  unlink(probe.c_str());
  return written;
}

class RunMemory::Impl {
 public:
  Impl(uv_loop_t* loop, const std::string& state_dir, LastEnds known,
       std::function<void(const std::string&)> on_problem)
      : ends_(std::move(known)),
        file_(
            loop, file_in(state_dir), [this] { return render(ends_); }, std::move(on_problem)) {}

  void record(const std::string& task, WallTime end) {
    ends_[task] = end;
    file_.changed();
  }

  bool busy() const { return file_.busy(); }

 private:
  LastEnds ends_;
  StateFile file_;
};

RunMemory::RunMemory(uv_loop_t* loop, const std::string& state_dir, LastEnds known,
                     std::function<void(const std::string&)> on_problem)
    : impl_(std::make_unique<Impl>(loop, state_dir, std::move(known), std::move(on_problem))) {}
RunMemory::~RunMemory() = default;
void RunMemory::record(const std::string& task, WallTime end) {
  impl_->record(task, end);
}
bool RunMemory::busy() const {
  return impl_->busy();
}

}  // namespace stargazer
