#include "io/run_memory.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <nlohmann/json.hpp>

#include "io/system_error.h"
#include "io/unique_fd.h"

namespace stargazer {
namespace {

using Json = nlohmann::json;

// The year 2200: what lies within it can be subtracted from now in nanoseconds.
constexpr WallTime kWallTimeMax{std::chrono::sys_days(std::chrono::year(2200) / 1 / 1)};

std::string file_in(const std::string& state_dir) {
  return state_dir + "/last_ends.json";
}

Status write_fully(int fd, const std::string& path, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = write(fd, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(path, errno);
    done += static_cast<std::size_t>(count);
  }
  if (fsync(fd) != 0) return system_error(path, errno);
  return {};
}

// The file under its final name is at every moment either the old one or the new one, whole.
Status replace_file(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".new";
  const UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (!fd) return system_error(temporary, errno);
  Status written = write_fully(fd.get(), temporary, text);
  if (written.ok() && rename(temporary.c_str(), path.c_str()) != 0) written = system_error(path, errno);
  if (!written.ok()) unlink(temporary.c_str());
  return written;
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
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return LastEnds{};
    return system_error(path, errno);
  }
  if (!S_ISREG(found.st_mode)) return Error(path + ": is not a regular file");
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (static_cast<std::size_t>(found.st_size) <= kFileBytesMax) text << file.rdbuf();
  if (!file.is_open()) return system_error(path, errno);
  Result<LastEnds> known = parse(text.str());
  if (known.ok()) return known;
  rename(path.c_str(), (path + ".damaged").c_str());
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
      : loop_(loop), path_(file_in(state_dir)), ends_(std::move(known)), on_problem_(std::move(on_problem)) {}

  void record(const std::string& task, WallTime end) {
    ends_[task] = end;
    if (writing_) {
      write_again_ = true;
    } else {
      begin_write();
    }
  }

  bool busy() const { return writing_; }

 private:
  struct Write {
    uv_work_t work{};
    Impl* memory = nullptr;
    std::string path;
    std::string text;
    Status status;
  };

  void begin_write() {
    writing_ = true;
    write_again_ = false;
    auto* write = new Write;
    write->memory = this;
    write->path = path_;
    write->text = render(ends_);
    write->work.data = write;
    uv_queue_work(
        loop_, &write->work,
        [](uv_work_t* work) {
          auto* self = static_cast<Write*>(work->data);
          self->status = replace_file(self->path, self->text);
        },
        [](uv_work_t* work, int) {
          const std::unique_ptr<Write> self(static_cast<Write*>(work->data));
          self->memory->end_write(self->status);
        });
  }

  void end_write(const Status& status) {
    writing_ = false;
    const std::string problem = status.ok() ? "" : status.error().message();
    if (problem != std::exchange(last_problem_, problem)) on_problem_(problem);
    if (write_again_) begin_write();
  }

  uv_loop_t* loop_;
  std::string path_;
  LastEnds ends_;
  std::function<void(const std::string&)> on_problem_;
  std::string last_problem_;
  bool writing_ = false;
  bool write_again_ = false;
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
