// What the jobs in C++ read: their settings, JSON and moments of outside.
#include "jobs/moment.h"
#include "jobs/settings.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::jobs;

TEST_CASE("settings that are not given are the defaults", "[jobs_settings]") {
  const Json params = GENERATE(Json::object(), Json{{"settings", nullptr}}, Json{{"settings", Json::object()}});
  SettingsReader reader(params);
  CHECK(reader.flag("a", true));
  CHECK(reader.integer("b", 5, 1, 9) == 5);
  CHECK(reader.number("c", 0.5, 0, 1) == 0.5);
  CHECK(reader.duration("d", "7d", Duration::zero(), kDurationMax) == std::chrono::hours(24 * 7));
  CHECK(reader.text("e", "x", 1) == "x");
  CHECK(reader.texts("f", {"y"}) == std::vector<std::string>{"y"});
  CHECK(reader.identifier("g", "weight") == "weight");
  CHECK(reader.finish().ok());
}

TEST_CASE("settings that are given are taken", "[jobs_settings]") {
  const Json params = Json::parse(R"({"settings": {"a": false, "b": 9, "c": 1, "d": "2h", "e": "", "f": [], "g": "_x1",
    "h": 1.5}})");
  SettingsReader reader(params);
  CHECK_FALSE(reader.flag("a", true));
  CHECK(reader.integer("b", 5, 1, 9) == 9);
  CHECK(reader.number("c", 0.5, 0, 1) == 1.0);
  CHECK(reader.duration("d", "7d", Duration::zero(), kDurationMax) == std::chrono::hours(2));
  CHECK(reader.text("e", "x", 0).empty());
  CHECK(reader.texts("f", {"y"}).empty());
  CHECK(reader.identifier("g", "weight") == "_x1");
  CHECK(reader.duration("h", "7d", Duration::zero(), kDurationMax) == std::chrono::milliseconds(1500));
  CHECK(reader.finish().ok());
}

TEST_CASE("a setting that is not allowed is named with what is", "[jobs_settings]") {
  const auto [value, expected] = GENERATE(table<const char*, const char*>({
      {R"({"flag": 1})", "settings.flag: allowed is true or false"},
      {R"({"integer": 10})", "settings.integer: allowed is a whole number from 1 to 9"},
      {R"({"integer": 1.0})", "settings.integer: allowed is"},
      {R"({"integer": 18446744073709551615})", "settings.integer: allowed is"},
      {R"({"number": "x"})", "settings.number: allowed is a number from 0 to 1"},
      {R"({"number": 1e300})", "settings.number: allowed is"},
      {R"({"duration": "soon"})", "settings.duration: allowed is a duration from 1s to 1h"},
      {R"({"duration": 1e300})", "settings.duration: allowed is"},
      {R"({"text": ""})", "settings.text: allowed is a text of 1 to 512 bytes"},
      {R"({"text": "a\u0000b"})", "settings.text: allowed is"},
      {R"({"texts": "x"})", "settings.texts: allowed are up to 64 texts"},
      {R"({"texts": [""]})", "settings.texts: allowed are"},
      {R"({"identifier": "a-b"})", "settings.identifier: allowed is a letter or _"},
      {R"({"identifier": "1a"})", "settings.identifier: allowed is"},
      {R"({"identifier": ""})", "settings.identifier: allowed is"},
      {R"({"flg\n": 1})", "settings.flg\\x0a: is not a known key, allowed are flag, integer, number"},
      {R"([])", "settings: is not a table"},
  }));
  const Json params{{"settings", Json::parse(value)}};
  SettingsReader reader(params);
  reader.flag("flag", true);
  reader.integer("integer", 5, 1, 9);
  reader.number("number", 0.5, 0, 1);
  reader.duration("duration", "1m", std::chrono::seconds(1), std::chrono::hours(1));
  reader.text("text", "x", 1);
  reader.texts("texts", {});
  reader.identifier("identifier", "x");
  const Status status = reader.finish();
  REQUIRE_FALSE(status.ok());
  INFO(status.error().message());
  CHECK(status.error().message().find(expected) == 0);
}

TEST_CASE("a flood of wrong settings is one short line", "[jobs_settings]") {
  Json params;
  for (int number = 0; number < 1000; ++number) params["settings"]["wrong" + std::to_string(number)] = 1;
  SettingsReader reader(params);
  reader.flag("flag", true);
  const std::string message = reader.finish().error().message();
  CHECK(message.ends_with("; and 992 more"));
  CHECK(message.size() < 1000);
}

TEST_CASE("moments in the forms that are found", "[jobs_moment]") {
  CHECK(parse_moment("0") == 0.0);
  CHECK(parse_moment("1795430601.25") == 1795430601.25);
  CHECK(parse_moment("2026-11-23T05:46:00Z") == 1795412760.0);
  CHECK(parse_moment("2026-11-23 05:46:00.5") == 1795412760.5);
  CHECK(parse_moment("2026-11-23T06:46:00+01:00") == 1795412760.0);
  CHECK(parse_moment("2026-11-23T04:16-0130") == 1795412760.0);
  CHECK(parse_moment("2026-11-23T05:46:00+00") == 1795412760.0);
  CHECK(parse_moment("1970-01-02") == 86400.0);
  for (const char* wrong : {"",
                            " ",
                            "x",
                            "-1",
                            "nan",
                            "inf",
                            "1e400",
                            "0x10",
                            "2026-13-01",
                            "2026-02-29",
                            "2026-11-23T25:00",
                            "2026-11-23T",
                            "2026-11-23T05:46:00Q",
                            "2026-11-23T05:46:00+1",
                            "2026-11-23T05:46:00+99:00",
                            "2026-11-23T05:46:00Zx",
                            "999999999999999",
                            "1969-12-31T23:59:59Z",
                            "20261123",
                            "2026-1-1",
                            "１２"}) {
    INFO(wrong);
    const auto moment = parse_moment(wrong);
    CHECK((!moment || std::string(wrong) == "20261123"));  // a number of seconds like any other
  }
  CHECK(format_moment(1795412760.9) == "2026-11-23T05:46:00Z");
  CHECK(format_moment(-1).empty());
  CHECK(format_moment(1e300).empty());
}

TEST_CASE("JSON that is deep or broken is none", "[jobs_json]") {
  CHECK(parse_json("{\"a\": [1]}"));
  CHECK(parse_json(std::string(64, '[') + std::string(64, ']')));
  CHECK_FALSE(parse_json(std::string(65, '[') + std::string(65, ']')));
  CHECK(parse_json("\"" + std::string(100, '[') + "\\\"[\""));
  CHECK_FALSE(parse_json(std::string(1'000'000, '[')));
  CHECK_FALSE(parse_json(""));
  CHECK_FALSE(parse_json("{\"a\": "));
  CHECK(text_member(Json{{"a", 1}}, "a").empty());
  CHECK(text_member(Json::array(), "a").empty());
}
