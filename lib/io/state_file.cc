#include "io/state_file.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "io/system_error.h"
#include "io/unique_fd.h"

namespace stargazer {
namespace {

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

// Makes a rename within the directory of `path` last.
Status sync_directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const UniqueFd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return system_error(directory, errno);
  // Some filesystems cannot, and say so; theirs is then the order in which they write.
  if (fsync(fd.get()) != 0 && errno != EINVAL) return system_error(directory, errno);
  return {};
}

}  // namespace

Status replace_file(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".new";
  const UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (!fd) return system_error(temporary, errno);
  Status written = write_fully(fd.get(), temporary, text);
  if (written.ok() && rename(temporary.c_str(), path.c_str()) != 0) written = system_error(path, errno);
  if (written.ok()) return sync_directory_of(path);
  unlink(temporary.c_str());
  return written;
}

Result<std::optional<std::string>> read_state_file(const std::string& path, std::size_t bytes_max) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<std::string>();
    return system_error(path, errno);
  }
  if (!S_ISREG(found.st_mode)) return Error(path + ": is not a regular file");
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open()) return system_error(path, errno);
  std::ostringstream text;
  if (static_cast<std::size_t>(found.st_size) <= bytes_max) text << file.rdbuf();
  return std::optional<std::string>(text.str());
}

void move_damaged_aside(const std::string& path) {
  rename(path.c_str(), (path + ".damaged").c_str());
}

class StateFile::Impl {
 public:
  Impl(uv_loop_t* loop, std::string path, std::function<std::string()> render,
       std::function<void(const std::string&)> on_problem)
      : loop_(loop), path_(std::move(path)), render_(std::move(render)), on_problem_(std::move(on_problem)) {}

  void changed() {
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
    Impl* file = nullptr;
    std::string path;
    std::string text;
    Status status;
  };

  void begin_write() {
    writing_ = true;
    write_again_ = false;
    auto* write = new Write;
    write->file = this;
    write->path = path_;
    write->text = render_();
    write->work.data = write;
    uv_queue_work(
        loop_, &write->work,
        [](uv_work_t* work) {
          auto* self = static_cast<Write*>(work->data);
          self->status = replace_file(self->path, self->text);
        },
        [](uv_work_t* work, int) {
          const std::unique_ptr<Write> self(static_cast<Write*>(work->data));
          self->file->end_write(self->status);
        });
  }

  void end_write(const Status& status) {
    writing_ = false;
    const std::string problem = status.ok() ? "" : status.error().message();
    if (problem != std::exchange(last_problem_, problem)) on_problem_(problem);
    if (write_again_) begin_write();
  }

  uv_loop_t* loop_;
  const std::string path_;
  const std::function<std::string()> render_;
  const std::function<void(const std::string&)> on_problem_;
  std::string last_problem_;
  bool writing_ = false;
  bool write_again_ = false;
};

StateFile::StateFile(uv_loop_t* loop, std::string path, std::function<std::string()> render,
                     std::function<void(const std::string&)> on_problem)
    : impl_(std::make_unique<Impl>(loop, std::move(path), std::move(render), std::move(on_problem))) {}
StateFile::~StateFile() = default;
void StateFile::changed() {
  impl_->changed();
}
bool StateFile::busy() const {
  return impl_->busy();
}

}  // namespace stargazer
