// A systemd-journald of a test's own, with its /run and /var/log in a temporary directory: real rotation, vacuum and
// numbering. It lives in a mount namespace (and, without root, a user namespace).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "support/process.h"
#include "support/temporary_directory.h"

namespace stargazer::testing {

class Journald {
 public:
  // Writes to /var/log with `settings`, lines of journald.conf's [Journal], added. Throws std::runtime_error when it
  // does not start.
  explicit Journald(const std::vector<std::string>& settings = {});

  // Whether this machine lets us run one.
  static bool possible();

  // What a reader of the journal is to be given as the directory.
  std::filesystem::path directory() const { return root_.path() / "log/journal"; }

  // Sends entries about `unit`, as a privileged daemon may: they have OBJECT_SYSTEMD_UNIT. They are in the files when
  // this returns.
  void send(const std::string& unit, const std::vector<std::string>& messages) const;

  // Archives the file that is written to, and begins a new one. A thread of journald's still writes to the archived one
  // for a while, and cuts it to its length.
  void rotate() const;
  // Deletes archived files, the oldest first, until only `files` are left.
  void vacuum(int files) const;
  // Ends journald: its files stay, and from here on nobody writes to them. After it only directory() may be called.
  void end() { process_.end(); }

 private:
  std::vector<std::string> inside(const std::vector<std::string>& argv) const;

  TemporaryDirectory root_;
  Process process_;
};

}  // namespace stargazer::testing
