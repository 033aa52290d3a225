#include "io/plugin_files.h"

#include <filesystem>
#include <fstream>
#include <unistd.h>

#include "support/temporary_directory.h"
#include "unit/catch.h"

using namespace stargazer;
using stargazer::testing::TemporaryDirectory;

namespace {

using Places = std::vector<std::string>;

std::string make_file(const std::filesystem::path& path, int mode) {
  std::ofstream(path) << "x";
  std::filesystem::permissions(path, static_cast<std::filesystem::perms>(mode));
  return path.string();
}

}  // namespace

TEST_CASE("a plugin's name is looked for in each folder, in turn", "[plugin_files]") {
  const TemporaryDirectory first;
  const TemporaryDirectory second;
  const Places folders{first.path().string(), second.path().string()};
  CHECK(find_plugin("jobs", folders).error().message() ==
        "the plugin \"jobs\" is missing: there is no file " + folders[0] + "/jobs.so, " + folders[1] + "/jobs.so");
  const std::string in_second = make_file(second.path() / "jobs.so", 0644);
  CHECK(find_plugin("jobs", folders).value() == in_second);
  // Not a file: passed over.
  std::filesystem::create_directory(first.path() / "jobs.so");
  CHECK(find_plugin("jobs", folders).value() == in_second);
  std::filesystem::remove(first.path() / "jobs.so");
  CHECK(find_plugin("jobs", folders).value() == in_second);
  const std::string in_first = make_file(first.path() / "jobs.so", 0644);
  CHECK(find_plugin("jobs", folders).value() == in_first);
}

TEST_CASE("a plugin's path is that file and no other", "[plugin_files]") {
  const TemporaryDirectory directory;
  const std::string path = directory.path().string() + "/jobs.so";
  CHECK(find_plugin(path, {directory.path().string()}).error().message() ==
        "the plugin \"" + path + "\" is missing: there is no file " + path);
  make_file(path, 0644);
  CHECK(find_plugin(path, {}).value() == path);
}

TEST_CASE("what runs a plugin's job is the program, the file and the job's name", "[plugin_files]") {
  const TemporaryDirectory directory;
  const Places folders{directory.path().string()};
  const Places places{directory.path().string() + "/no-worker", directory.path().string() + "/worker"};
  const PluginJob job{"jobs", "decay"};
  CHECK(plugin_argv(job, places, folders).error().message() ==
        "stargazer-worker is missing: there is no file " + places[0] + ", " + places[1]);
  make_file(places[1], 0755);
  CHECK(plugin_argv(job, places, folders).error().message() ==
        "the plugin \"jobs\" is missing: there is no file " + folders[0] + "/jobs.so");
  const std::string library = make_file(directory.path() / "jobs.so", 0644);
  CHECK(plugin_argv(job, places, folders).value() == Places{places[1], library, "decay"});
}

TEST_CASE("a program that may not be executed is an error with the cause", "[plugin_files]") {
  const TemporaryDirectory directory;
  const Places places{make_file(directory.path() / "worker", 0644)};
  CHECK(plugin_argv({"jobs", "decay"}, places, {}).error().message() == places[0] + ": Permission denied");
}

TEST_CASE("in a build tree the program lies beside this one", "[plugin_files]") {
  const Result<std::vector<std::string>> argv = plugin_argv({"/proc/self/exe", "decay"});
  REQUIRE(argv.ok());
  CHECK(std::filesystem::path(argv->front()).filename() == "stargazer-worker");
  CHECK(access(argv->front().c_str(), X_OK) == 0);
  CHECK(plugin_obstacle({"/proc/self/exe", "decay"}).empty());
  CHECK(plugin_obstacle({"/nonexistent.so", "decay"}).starts_with("the plugin \"/nonexistent.so\" is missing"));
}
