// Which files make up a configuration, and their text.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "config/documents.h"
#include "config/problems.h"
#include "config/values.h"

namespace stargazer {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kConfDirectoryFilesMax = 1'000;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

Error system_error() {
  return Error(std::string("cannot be read: ") + std::strerror(errno));
}

std::optional<ConfigFormat> format_of(const fs::path& path) {
  if (path.extension() == ".toml") return ConfigFormat::kToml;
  if (path.extension() == ".json") return ConfigFormat::kJson;
  return std::nullopt;
}

Status check_file(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return system_error();
  if (S_ISDIR(status.st_mode)) return Error("is a directory, allowed is a file");
  if (!S_ISREG(status.st_mode)) return Error("is not a regular file, allowed is one");
  if (static_cast<std::uint64_t>(status.st_size) <= kConfigFileBytesMax) return {};
  return Error("is " + std::to_string(status.st_size) + " bytes large, allowed are " +
               std::to_string(kConfigFileBytesMax));
}

// O_NONBLOCK so that opening a FIFO, which is refused, does not wait for its other end.
Result<std::string> text_of_file(const fs::path& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) return system_error();
  if (Status status = check_file(file.get()); !status) return status.error();
  std::string text(kConfigFileBytesMax + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t count = read(file.get(), text.data() + size, text.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error();
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  if (size > kConfigFileBytesMax) return Error("grew while it was read, allowed are " + std::to_string(size - 1));
  text.resize(size);
  return text;
}

// The files so far, and those that could not be read.
struct Loading {
  std::vector<NamedDocument> documents;
  std::vector<std::string> problems;

  void problem(const fs::path& path, const std::string& cause) {
    problems.push_back(one_line(path.string() + ": " + cause, 4096));
  }

  // The parsed file, or nothing after a problem has been noted.
  std::optional<NamedDocument> load(const fs::path& path) {
    const auto format = format_of(path);
    const Result<std::string> text = text_of_file(path);
    if (!text) {
      problem(path, text.error().message());
    } else if (!format) {
      problem(path, "has an unknown extension, allowed are .toml and .json");
    } else {
      return NamedDocument{path.string(), parse_document(*text, *format)};
    }
    return std::nullopt;
  }
};

// The files of conf.d by name. What is no configuration by its extension (a package manager's or an editor's left-over)
// is passed over, as are hidden files.
std::vector<fs::path> files_of_directory(const fs::path& directory, Loading& loading) {
  std::vector<fs::path> files;
  std::error_code error;
  fs::directory_iterator entries(directory, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const fs::path& path = entries->path();
    if (!format_of(path) || path.filename().string().starts_with('.')) continue;
    if (files.size() == kConfDirectoryFilesMax) {
      loading.problem(directory, "holds too many files, allowed are " + std::to_string(kConfDirectoryFilesMax));
      break;
    }
    files.push_back(path);
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    loading.problem(directory, "cannot be read: " + error.message());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Empty when there is no catalogue.
fs::path catalogue_path(const std::string& catalogue, const fs::path& folder) {
  if (catalogue.empty()) return {};
  if (catalogue != "auto") return folder / catalogue;
  std::error_code ignored;
  for (const fs::path& candidate : {folder / "tasks.toml", fs::path(STARGAZER_DATA_DIR) / "tasks.toml"}) {
    if (fs::exists(fs::symlink_status(candidate, ignored))) return candidate;
  }
  return {};
}

void override_lease_key(const std::optional<std::string>& leader_key, ConfigOutcome& outcome) {
  if (!leader_key || leader_key->empty()) return;
  const bool utf8 = valid_utf8_length(*leader_key) == leader_key->size();
  const std::string problem = utf8 ? redis_key(*leader_key) : "is not UTF-8, the only encoding allowed";
  if (!problem.empty()) {
    outcome.problems.push_back("environment: SG_LEADER_KEY: " + problem);
    outcome.config.reset();
  } else if (outcome.config) {
    outcome.config->lease.key = *leader_key;
  }
}

}  // namespace

ConfigOutcome load_config(const std::string& path, const std::optional<std::string>& leader_key) {
  Loading loading;
  const fs::path folder = fs::path(path).parent_path();
  const auto add = [&](std::optional<NamedDocument> document) {
    if (document) loading.documents.push_back(std::move(*document));
  };
  add(loading.load(path));
  for (const fs::path& file : files_of_directory(folder / "conf.d", loading)) add(loading.load(file));

  std::size_t main = 0;
  if (const fs::path catalogue = catalogue_path(catalogue_of(loading.documents), folder); !catalogue.empty()) {
    if (auto document = loading.load(catalogue)) {
      loading.documents.insert(loading.documents.begin(), std::move(*document));
      main = 1;
    }
  }
  ConfigOutcome outcome = read_documents(std::move(loading.documents), main, !loading.problems.empty());
  if (!loading.problems.empty()) {
    outcome.config.reset();
    outcome.problems.insert(outcome.problems.begin(), loading.problems.begin(), loading.problems.end());
  }
  override_lease_key(leader_key, outcome);
  return outcome;
}

}  // namespace stargazer
