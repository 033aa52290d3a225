// A directory of a test's own, removed with everything in it.
#pragma once

#include <filesystem>

namespace stargazer::testing {

class TemporaryDirectory {
 public:
  // Creates it below $TMPDIR. Throws std::runtime_error when that fails.
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace stargazer::testing
