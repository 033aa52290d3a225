// Entries whose fields have ids, so that what was written of one is written again of the next.
#include "feed/entry_renderer.h"

#include <nlohmann/json.hpp>

#include "unit/catch.h"

using namespace stargazer;
using nlohmann::json;

namespace {

constexpr const char* kCursor =
    "s=00112233445566778899aabbccddeeff;i=1f;b=0123456789abcdef0123456789abcdef;m=a;t=b;x=c";

struct TestField {
  std::uint64_t id;
  std::string text;
};

class TestFields : public EntryFields {
 public:
  explicit TestFields(std::vector<TestField> fields) : fields_(std::move(fields)) {}

  void restart() override { at_ = 0; }
  Result<std::optional<std::string_view>> next() override {
    if (at_ == fields_.size()) return std::optional<std::string_view>();
    ++read_;
    return std::optional(std::string_view(fields_[at_++].text));
  }
  std::uint64_t next_id() const override { return at_ == fields_.size() ? 0 : fields_[at_].id; }
  void skip() override { ++at_; }

  int read() const { return read_; }

 private:
  const std::vector<TestField> fields_;
  std::size_t at_ = 0;
  int read_ = 0;
};

// Without what every entry has.
json written(EntryRenderer& renderer, TestFields& fields) {
  OutBuffer out;
  const auto appended = renderer.append(fields, kCursor, out);
  REQUIRE(appended.ok());
  if (!*appended) return nullptr;
  json object = json::parse(out.view());
  for (const char* name :
       {"__CURSOR", "__REALTIME_TIMESTAMP", "__MONOTONIC_TIMESTAMP", "_BOOT_ID", "__SEQNUM", "__SEQNUM_ID"}) {
    object.erase(name);
  }
  return object;
}

json written(EntryRenderer& renderer, std::vector<TestField> list) {
  TestFields fields(std::move(list));
  return written(renderer, fields);
}

}  // namespace

TEST_CASE("a field that was written before is not read again", "[entry_renderer]") {
  EntryRenderer renderer;
  for (int entry = 0; entry < 3; ++entry) {
    const std::string message = "message " + std::to_string(entry);
    TestFields fields({{1, "_HOSTNAME=observatory"},
                       {2, "COLOURED=\x1b[1m"},
                       {3, "_BOOT_ID=0123456789abcdef0123456789abcdef"},
                       {10U + static_cast<unsigned>(entry), "MESSAGE=" + message}});
    CHECK(written(renderer, fields) ==
          json{{"_HOSTNAME", "observatory"}, {"COLOURED", {27, 91, 49, 109}}, {"MESSAGE", message}});
    CHECK(fields.read() == (entry == 0 ? 4 : 1));
  }
}

TEST_CASE("fields without an id, and long ones, are read every time", "[entry_renderer]") {
  EntryRenderer renderer;
  const std::string long_text(RenderedFields::kBytesMax, 'x');
  for (int entry = 0; entry < 2; ++entry) {
    TestFields fields({{0, "A=" + std::to_string(entry)}, {5, "B=" + long_text}});
    CHECK(written(renderer, fields) == json{{"A", std::to_string(entry)}, {"B", long_text}});
    CHECK(fields.read() == 2);
  }
}

TEST_CASE("more fields than are kept are each written as they are", "[entry_renderer]") {
  EntryRenderer renderer;
  for (int round = 0; round < 3; ++round) {
    for (std::uint64_t id = 1; id < 2000; id += 3) {
      const std::string text = std::to_string(id);
      CHECK(written(renderer, {{id, "A=" + text}, {id + 1, "B=b" + text}}) == json{{"A", text}, {"B", "b" + text}});
    }
  }
}

TEST_CASE("a name that is there twice is an array, known or not", "[entry_renderer]") {
  EntryRenderer renderer;
  const std::vector<TestField> twice = {{1, "TAG=one"}, {2, "TAG=two"}, {3, "OTHER=x"}};
  const json expected = {{"TAG", {"one", "two"}}, {"OTHER", "x"}};
  for (int entry = 0; entry < 3; ++entry) {
    CHECK(written(renderer, {{1, "TAG=one"}, {3, "OTHER=x"}}) == json{{"TAG", "one"}, {"OTHER", "x"}});
    CHECK(written(renderer, {{2, "TAG=two"}}) == json{{"TAG", "two"}});
    CHECK(written(renderer, twice) == expected);
  }
}

TEST_CASE("what is no field is left out and is not taken for another", "[entry_renderer]") {
  EntryRenderer renderer;
  for (int entry = 0; entry < 2; ++entry) {
    CHECK(written(renderer, {{1, "no field"}, {2, "lower=case"}, {3, "=x"}, {4, "A=a"}}) == json{{"A", "a"}});
    CHECK(written(renderer, {{1, "no field"}, {5, "B=b"}}) == json{{"B", "b"}});
  }
}

TEST_CASE("an entry is chosen by fields that were written before", "[entry_renderer]") {
  EntrySelection selection;
  selection.max_priority = 4;
  selection.include_identifiers = {"star*"};
  EntryRenderer renderer(selection);
  const TestField stargazer = {1, "SYSLOG_IDENTIFIER=stargazer"};
  const TestField other = {2, "SYSLOG_IDENTIFIER=other"};
  const TestField warning = {3, "PRIORITY=4"};
  const TestField notice = {4, "PRIORITY=5"};
  for (int round = 0; round < 3; ++round) {
    CHECK(written(renderer, {stargazer, warning}) == json{{"SYSLOG_IDENTIFIER", "stargazer"}, {"PRIORITY", "4"}});
    CHECK(written(renderer, {stargazer, notice}).is_null());
    CHECK(written(renderer, {other, warning}).is_null());
    CHECK(written(renderer, {stargazer}).is_null());
  }
}

TEST_CASE("a limit holds for fields that were written before", "[entry_renderer]") {
  EntrySelection selection;
  selection.max_entry_bytes = 420;
  EntryRenderer renderer(selection);
  const std::string text(80, 'x');
  for (int round = 0; round < 3; ++round) {
    CHECK(written(renderer, {{1, "A=" + text}}) == json{{"A", text}});
    const json cut = written(renderer, {{1, "A=" + text}, {2, "B=" + text}, {3, "C=" + text}});
    CHECK(cut.contains("_STARGAZER_TRUNCATED"));
    CHECK(cut["A"].is_null());
  }
}

TEST_CASE("names that were forgotten are learned again with their fields", "[entry_renderer]") {
  EntryRenderer renderer;
  for (std::uint64_t id = 1; id < 3 * FieldNames::kNamesMax; ++id) {
    const std::string name = "N" + std::to_string(id);
    CHECK(written(renderer, {{9'999, "A=a"}, {id, name + "=x"}}) == json{{"A", "a"}, {name, "x"}});
  }
}
