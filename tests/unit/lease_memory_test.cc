#include "io/lease_memory.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/loop.h"
#include "support/temporary_directory.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::testing;

namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

struct Fixture {
  TemporaryDirectory directory;
  std::string state_dir = directory.path().string();
  std::filesystem::path file = directory.path() / "lease.json";
  Loop loop;
  std::vector<std::string> problems;

  LeaseMemoryFile open(const LeaseMemory& known = {}) {
    return {loop.get(), state_dir, known, [this](const std::string& problem) { problems.push_back(problem); }};
  }
  void settle(const LeaseMemoryFile& memory) {
    loop.run_until([&] { return !memory.busy(); });
  }
};

}  // namespace

TEST_CASE("what is stored is loaded by the next start", "[lease_memory]") {
  Fixture fixture;
  CHECK(*LeaseMemoryFile::load(fixture.state_dir) == LeaseMemory{});
  LeaseMemoryFile memory = fixture.open();
  const LeaseMemory last{LeaseMemoryFile::kEpochMax, "0123abcd"};
  memory.store({1, "first"});
  memory.store({2, "second"});
  memory.store(last);
  CHECK(memory.busy());
  fixture.settle(memory);
  CHECK(*LeaseMemoryFile::load(fixture.state_dir) == last);
  CHECK(fixture.problems.empty());
}

TEST_CASE("what is known already is not written again", "[lease_memory]") {
  Fixture fixture;
  LeaseMemoryFile memory = fixture.open({7, "server"});
  memory.store({7, "server"});
  CHECK_FALSE(memory.busy());
  memory.store({7, "another"});
  CHECK(memory.busy());
  fixture.settle(memory);
  CHECK(LeaseMemoryFile::load(fixture.state_dir)->server == "another");
}

TEST_CASE("a directory that cannot be written is told once, and once that it can be again", "[lease_memory]") {
  Fixture fixture;
  LeaseMemoryFile memory = fixture.open();
  std::filesystem::remove_all(fixture.state_dir);
  memory.store({1, "a"});
  fixture.settle(memory);
  memory.store({2, "a"});
  fixture.settle(memory);
  REQUIRE(fixture.problems.size() == 1);
  CHECK(fixture.problems[0].find("lease.json.new: No such file or directory") != std::string::npos);
  std::filesystem::create_directory(fixture.state_dir);
  memory.store({3, "a"});
  fixture.settle(memory);
  CHECK(fixture.problems.size() == 2);
  CHECK(fixture.problems.back().empty());
}

TEST_CASE("a damaged file is an error and is kept aside", "[lease_memory]") {
  Fixture fixture;
  const std::string text = GENERATE(
      as<std::string>(), "", "{", "[]", "null", R"({"version": 2, "epoch": 1, "server": "a"})",
      R"({"version": 1, "server": "a"})", R"({"version": 1, "epoch": 1})",
      R"({"version": 1, "epoch": -1, "server": "a"})", R"({"version": 1, "epoch": 1.5, "server": "a"})",
      R"({"version": 1, "epoch": "1", "server": "a"})", R"({"version": 1, "epoch": 9007199254740992, "server": "a"})",
      R"({"version": 1, "epoch": 1, "server": 1})", R"({"version": 1, "epoch": 1, "server": "a\nb"})",
      R"({"version": 1, "epoch": 1, "server": ")" + std::string(300, 'a') + "\"}", std::string(5000, ' '),
      std::string(4000, '['));
  std::ofstream(fixture.file, std::ios::binary) << text;
  const auto known = LeaseMemoryFile::load(fixture.state_dir);
  REQUIRE_FALSE(known.ok());
  CHECK(known.error().message().find(fixture.file.string() + ": ") == 0);
  CHECK_FALSE(std::filesystem::exists(fixture.file));
  CHECK(text_of(fixture.file.string() + ".damaged") == text);
  CHECK(*LeaseMemoryFile::load(fixture.state_dir) == LeaseMemory{});
}

TEST_CASE("what is not a file is an error, and stays", "[lease_memory]") {
  Fixture fixture;
  std::filesystem::create_directory(fixture.file);
  const auto known = LeaseMemoryFile::load(fixture.state_dir);
  REQUIRE_FALSE(known.ok());
  CHECK(known.error().message().find("is not a regular file") != std::string::npos);
  CHECK(std::filesystem::exists(fixture.file));
}
