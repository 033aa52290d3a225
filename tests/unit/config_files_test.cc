// load_config: which files belong to a configuration, and what happens when one cannot be read.
#include <sys/stat.h>

#include "unit/config_support.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

const std::string kTask = "[tasks.a]\ninterval = 60\ncommand = [\"true\"]\n";

ConfigOutcome load(const std::string& path) {
  return load_config(path, std::nullopt);
}

}  // namespace

TEST_CASE("a file that cannot be read is one problem with its cause", "[config_files]") {
  const TemporaryFolder folder;
  const std::string there = folder.path();
  CHECK(problem_of(load(there + "/none.toml")) == there + "/none.toml: cannot be read: No such file or directory");
  CHECK(problem_of(load(there)) == there + ": is a directory, allowed is a file");
  const std::string other = folder.write("a.yaml", "");
  CHECK(problem_of(load(other)) == other + ": has an unknown extension, allowed are .toml and .json");
  const std::string large = folder.write("large.toml", std::string(10'000'000, '\n'));
  CHECK(problem_of(load(large)) == large + ": is 10000000 bytes large, allowed are 1048576");
  const std::string pipe = there + "/pipe.toml";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(problem_of(load(pipe)) == pipe + ": is not a regular file, allowed is one");
}

TEST_CASE("the catalogue, the main file and conf.d by name, in this order", "[config_files]") {
  const TemporaryFolder folder;
  folder.write("tasks.toml", "[tasks.a]\ninterval = 1\ntimeout = 1\njitter = 1\ncommand = [\"true\"]\n");
  const std::string main = folder.write("main.toml", "[tasks.a]\ninterval = 2\ntimeout = 2\n");
  folder.write("conf.d/20.json", R"({"tasks": {"a": {"interval": 4}}})");
  folder.write("conf.d/10.toml", "[tasks.a]\ninterval = 3\n[lease]\nnodes = 3\n");
  folder.write("conf.d/30.toml.dpkg-old", "no configuration");
  folder.write("conf.d/.40.toml", "no configuration");
  const Config config = config_of(load(main));
  CHECK(config.tasks.at(0).interval == 4s);
  CHECK(config.tasks.at(0).timeout == 2s);
  CHECK(config.tasks.at(0).jitter == 1s);
  CHECK(config.lease.nodes == 3);
}

TEST_CASE("the catalogue is where scheduler.catalogue says", "[config_files]") {
  const TemporaryFolder folder;
  folder.write("tasks.toml", kTask);
  folder.write("sub/other.toml", kTask + "[tasks.b]\ninterval = 60\ncommand = [\"true\"]\n");
  const auto count = [&](const std::string& text) {
    return config_of(load(folder.write("main.toml", text))).tasks.size();
  };
  CHECK(count("") == 1);
  CHECK(count("[scheduler]\ncatalogue = \"\"\n") == 0);
  CHECK(count("[scheduler]\ncatalogue = \"sub/other.toml\"\n") == 2);
  CHECK(count("[scheduler]\ncatalogue = \"" + (folder.path() / "sub/other.toml").string() + "\"\n") == 2);
  folder.write("conf.d/1.toml", "[scheduler]\ncatalogue = \"sub/other.toml\"\n");
  CHECK(count("[scheduler]\ncatalogue = \"\"\n") == 2);
  folder.write("conf.d/1.toml", "[scheduler]\ncatalogue = \"none.toml\"\n");
  CHECK(contains(problem_of(load(folder.path() / "main.toml")), "none.toml: cannot be read: No such file"));
}

TEST_CASE("without a catalogue there is none", "[config_files]") {
  const TemporaryFolder folder;
  CHECK(config_of(load(folder.write("main.toml", ""))) == Config{});
}

TEST_CASE("a bad file beside good ones is the only problem", "[config_files]") {
  const TemporaryFolder folder;
  const std::string main = folder.write("main.toml", "[tasks.a]\ninterval = 1\npool = \"p\"\n");
  const std::string bad = folder.write("conf.d/1.toml", std::string(10'000'000, '\n'));
  CHECK(problem_of(load(main)).find(bad) == 0);
  folder.write("conf.d/1.toml", "[node]\nid = 3\n");
  std::filesystem::create_directories(folder.path() / "conf.d/2.toml");
  CHECK(load(main).problems.size() == 2);
}

TEST_CASE("conf.d is bounded", "[config_files]") {
  const TemporaryFolder folder;
  const std::string main = folder.write("main.toml", "");
  for (int file = 0; file < 1001; ++file) folder.write("conf.d/" + std::to_string(file) + ".toml", "");
  CHECK(contains(problem_of(load(main)), "conf.d: holds too many files, allowed are 1000"));
}

TEST_CASE("a hundred thousand tasks fit into several files", "[config_files]") {
  const TemporaryFolder folder;
  const std::string main = folder.write("main.toml", "");
  for (int file = 0; file < 20; ++file) {
    std::string text;
    for (int task = 0; task < 5'000; ++task) {
      text += "[tasks.t" + std::to_string(file * 5'000 + task) + "]\ninterval = 60\ncommand = [\"/bin/true\"]\n";
    }
    folder.write("conf.d/" + std::to_string(file) + ".toml", text);
  }
  CHECK(config_of(load(main)).tasks.size() == 100'000);
}

TEST_CASE("SG_LEADER_KEY wins over the files", "[config_files]") {
  const TemporaryFolder folder;
  const std::string main = folder.write("main.toml", "[lease]\nkey = \"file\"\n");
  CHECK(config_of(load_config(main, "env")).lease.key == "env");
  CHECK(config_of(load_config(main, "")).lease.key == "file");
  CHECK(config_of(load_config(main, std::nullopt)).lease.key == "file");
  CHECK(contains(problem_of(load_config(main, std::string(600, 'x'))), "environment: SG_LEADER_KEY: is too long"));
  CHECK(contains(problem_of(load_config(main, "\xFF")), "environment: SG_LEADER_KEY: is not UTF-8"));
}
