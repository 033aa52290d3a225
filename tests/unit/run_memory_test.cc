#include "io/run_memory.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/mount.h>
#include <sys/stat.h>
#include <vector>

#include "support/temporary_directory.h"
#include "unit/catch.h"

using namespace std::chrono_literals;
using namespace stargazer;
using namespace stargazer::testing;

namespace {

namespace fs = std::filesystem;

constexpr WallTime kEnd{std::chrono::microseconds(1'700'000'000'000'123)};

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string contents(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// A memory on a loop of its own, and the problems that it told.
class MemoryFixture {
 public:
  explicit MemoryFixture(const fs::path& state_dir, RunMemory::LastEnds known = {}) {
    REQUIRE(uv_loop_init(&loop_) == 0);
    memory_ = std::make_unique<RunMemory>(&loop_, state_dir.string(), std::move(known),
                                          [this](const std::string& problem) { problems.push_back(problem); });
  }
  ~MemoryFixture() {
    finish();
    CHECK(uv_loop_close(&loop_) == 0);
  }
  MemoryFixture(const MemoryFixture&) = delete;
  MemoryFixture& operator=(const MemoryFixture&) = delete;

  void record(const std::string& task, WallTime end) { memory_->record(task, end); }
  bool busy() const { return memory_->busy(); }
  void finish() { uv_run(&loop_, UV_RUN_DEFAULT); }

  std::vector<std::string> problems;

 private:
  uv_loop_t loop_{};
  std::unique_ptr<RunMemory> memory_;
};

// A file system of 64 KiB.
class SmallFileSystem {
 public:
  explicit SmallFileSystem(const fs::path& path) : path_(path) {
    fs::create_directory(path);
    mounted_ = mount("tmpfs", path.c_str(), "tmpfs", 0, "size=64k") == 0;
  }
  ~SmallFileSystem() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  SmallFileSystem(const SmallFileSystem&) = delete;
  SmallFileSystem& operator=(const SmallFileSystem&) = delete;

  bool mounted() const { return mounted_; }
  bool remount(unsigned long flags) const {
    return mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT | flags, nullptr) == 0;
  }

 private:
  fs::path path_;
  bool mounted_ = false;
};

}  // namespace

TEST_CASE("what is recorded is known after a restart", "[run_memory]") {
  const TemporaryDirectory directory;
  {
    MemoryFixture fixture(directory.path(), {{"kept", kEnd}, {"replaced", kEnd}});
    fixture.record("replaced", kEnd + 1s);
    fixture.record("a \"quoted\" näme\n", kEnd + 2s);
    fixture.finish();
    CHECK_FALSE(fixture.busy());
    CHECK(fixture.problems.empty());
  }
  const auto known = RunMemory::load(directory.path().string());
  REQUIRE(known.ok());
  CHECK(*known == RunMemory::LastEnds{{"kept", kEnd}, {"replaced", kEnd + 1s}, {"a \"quoted\" näme\n", kEnd + 2s}});
  CHECK_FALSE(fs::exists(directory.path() / "last_ends.json.new"));
}

TEST_CASE("what is recorded during a write goes into one more write, with its last value", "[run_memory]") {
  const TemporaryDirectory directory;
  MemoryFixture fixture(directory.path());
  for (int count = 1; count <= 1000; ++count) {
    fixture.record("task", kEnd + std::chrono::seconds(count));
    fixture.record("task-" + std::to_string(count), kEnd);
    CHECK(fixture.busy());
  }
  fixture.finish();
  CHECK_FALSE(fixture.busy());
  const auto known = RunMemory::load(directory.path().string());
  REQUIRE(known.ok());
  CHECK(known->size() == 1001);
  CHECK(known->at("task") == kEnd + 1000s);
}

TEST_CASE("without a file nothing is remembered, and that is no error", "[run_memory]") {
  const TemporaryDirectory directory;
  for (const char* name : {".", "missing", "missing/deeper"}) {
    const auto known = RunMemory::load((directory.path() / name).string());
    REQUIRE(known.ok());
    CHECK(known->empty());
  }
}

TEST_CASE("a missing state directory is made", "[run_memory]") {
  const TemporaryDirectory directory;
  const fs::path state = directory.path() / "state";
  CHECK(RunMemory::check_writable(state.string()).ok());
  CHECK(RunMemory::check_writable(state.string()).ok());
  CHECK(fs::is_empty(state));
  CHECK((fs::status(state).permissions() & fs::perms::others_all) == fs::perms::none);
}

TEST_CASE("a state directory that cannot be written is an error that names it", "[run_memory]") {
  const TemporaryDirectory directory;
  write_file(directory.path() / "file", "");
  const std::vector<std::pair<fs::path, std::string>> cases{
      {directory.path() / "file", "Not a directory"},
      {directory.path() / "file" / "below", "Not a directory"},
      {directory.path() / "missing" / "below", "No such file or directory"},
      {"/proc", ""},
  };
  for (const auto& [path, cause] : cases) {
    const Status checked = RunMemory::check_writable(path.string());
    REQUIRE_FALSE(checked.ok());
    CHECK(checked.error().message().find(path.string()) == 0);
    CHECK(checked.error().message().find(cause) != std::string::npos);
  }
}

TEST_CASE("a write that fails is told once for each cause, and that it works again", "[run_memory]") {
  const TemporaryDirectory directory;
  const fs::path state = directory.path() / "state";
  MemoryFixture fixture(state);
  const auto record = [&] {
    fixture.record("task", kEnd);
    fixture.finish();
  };
  record();
  record();
  write_file(state, "");
  record();
  fs::remove(state);
  fs::create_directory(state);
  record();
  record();
  REQUIRE(fixture.problems.size() == 3);
  CHECK(fixture.problems[0].find("No such file or directory") != std::string::npos);
  CHECK(fixture.problems[1].find("Not a directory") != std::string::npos);
  CHECK(fixture.problems[2].empty());
  CHECK(RunMemory::load(state.string())->at("task") == kEnd);
}

TEST_CASE("a full or read-only disk leaves the old file whole", "[run_memory]") {
  const TemporaryDirectory directory;
  const fs::path state = directory.path() / "small";
  const SmallFileSystem small(state);
  if (!small.mounted()) {
    WARN("skipped: mounting a tmpfs is not permitted here");
    return;
  }
  MemoryFixture fixture(state);
  fixture.record("task", kEnd);
  fixture.finish();
  const std::string before = contents(state / "last_ends.json");
  write_file(state / "filler", std::string(100'000, 'x'));
  fixture.record("task", kEnd + 1s);
  fixture.record(std::string(5000, 'n'), kEnd);
  fixture.finish();
  REQUIRE(fixture.problems.size() == 1);
  CHECK(fixture.problems[0].find("No space left on device") != std::string::npos);
  CHECK(contents(state / "last_ends.json") == before);
  CHECK_FALSE(fs::exists(state / "last_ends.json.new"));
  CHECK_FALSE(RunMemory::check_writable(state.string()).ok());
  fs::remove(state / "filler");

  REQUIRE(small.remount(MS_RDONLY));
  fixture.record("task", kEnd + 2s);
  fixture.finish();
  REQUIRE(fixture.problems.size() == 2);
  CHECK(fixture.problems[1].find("Read-only file system") != std::string::npos);
  CHECK(RunMemory::check_writable(state.string()).error().message().find("Read-only") != std::string::npos);
  REQUIRE(small.remount(0));
  fixture.record("task", kEnd + 3s);
  fixture.finish();
  CHECK(fixture.problems.back().empty());
  CHECK(RunMemory::load(state.string())->at("task") == kEnd + 3s);
}

TEST_CASE("a damaged file is moved aside with what was in it", "[run_memory]") {
  const TemporaryDirectory directory;
  const fs::path file = directory.path() / "last_ends.json";
  const auto [text, problem] = GENERATE(table<std::string, std::string>({
      {"", "is not a JSON object"},
      {"{\"version\": 1, \"last_ends\": {\"a\": 1", "is not a JSON object"},
      {"[1]", "is not a JSON object"},
      {"{\"version\": 1, \"last_ends\": {\"\xff\": 1}}", "is not a JSON object"},
      {"{\"last_ends\": {}}", "is not a file of version 1"},
      {"{\"version\": 2, \"last_ends\": {}}", "is not a file of version 1"},
      {"{\"version\": \"1\", \"last_ends\": {}}", "is not a file of version 1"},
      {"{\"version\": 1}", "has no object last_ends"},
      {"{\"version\": 1, \"last_ends\": []}", "has no object last_ends"},
      {"{\"version\": 1, \"last_ends\": {\"a\": 1.5}}", "the last end of \"a\" is not a whole number"},
      {"{\"version\": 1, \"last_ends\": {\"a\": null}}", "the last end of \"a\" is not a whole number"},
      {"{\"version\": 1, \"last_ends\": {\"a\": -1}}", "the last end of \"a\" is out of range"},
      {"{\"version\": 1, \"last_ends\": {\"a\": 9223372036854775807}}", "the last end of \"a\" is out of range"},
      {"{\"version\": 1, \"last_ends\": {\"a\": 18446744073709551615}}", "the last end of \"a\" is out of range"},
  }));
  write_file(file, text);
  const auto known = RunMemory::load(directory.path().string());
  REQUIRE_FALSE(known.ok());
  CHECK(known.error().message() == file.string() + ": " + problem);
  CHECK_FALSE(fs::exists(file));
  CHECK(contents(file.string() + ".damaged") == text);
  CHECK(RunMemory::load(directory.path().string())->empty());
}

TEST_CASE("a deeply nested text is refused without a deep stack", "[run_memory]") {
  const std::string open(200'000, '[');
  const std::string close(200'000, ']');
  for (const std::string& text : {open, open + close, "{\"version\": " + open + close + "}",
                                  "{\"version\": 1, \"last_ends\": " + open + close + "}",
                                  "{\"version\": 1, \"last_ends\": {\"a\": " + open + close + "}}"}) {
    CHECK_FALSE(RunMemory::parse(text).ok());
  }
}

TEST_CASE("a huge file is not read but moved aside", "[run_memory]") {
  const TemporaryDirectory directory;
  const fs::path file = directory.path() / "last_ends.json";
  write_file(file, "{\"version\": 1, \"last_ends\": {}}");
  fs::resize_file(file, RunMemory::kFileBytesMax + 1);
  CHECK_FALSE(RunMemory::load(directory.path().string()).ok());
  CHECK(fs::file_size(file.string() + ".damaged") == RunMemory::kFileBytesMax + 1);
}

TEST_CASE("what is not a regular file is an error and stays", "[run_memory]") {
  const TemporaryDirectory directory;
  const fs::path file = directory.path() / "last_ends.json";
  if (GENERATE(true, false)) {
    REQUIRE(mkfifo(file.c_str(), 0600) == 0);
  } else {
    fs::create_directory(file);
  }
  const auto known = RunMemory::load(directory.path().string());
  REQUIRE_FALSE(known.ok());
  CHECK(known.error().message() == file.string() + ": is not a regular file");
  CHECK(fs::exists(file));
}
