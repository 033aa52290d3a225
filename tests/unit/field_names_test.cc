#include "feed/field_names.h"

#include "unit/catch.h"

using namespace stargazer;
using namespace std::string_literals;

namespace {

std::string member_of(const FieldNames::Name& name) {
  return {name.member.data(), name.member_bytes};
}

}  // namespace

TEST_CASE("a name is ready for JSON, and found when an entry has it twice", "[field_names]") {
  FieldNames names({});
  const std::string longest(kFieldNameBytesMax, 'N');
  for (int entry = 0; entry < 3; ++entry) {
    names.next_entry();
    REQUIRE(names.take("MESSAGE") != nullptr);
    CHECK(member_of(*names.take(longest)) == ",\"" + longest + "\":");
    CHECK(names.take("MESSAGES")->published);
    CHECK(names.take("MESSAGE") == nullptr);
  }
  CHECK(names.take("PRIORITY")->kind == FieldNames::Kind::kPriority);
  CHECK(names.take("SYSLOG_IDENTIFIER")->kind == FieldNames::Kind::kIdentifier);
}

TEST_CASE("what is no field, or is in the header, is not published however often it is there", "[field_names]") {
  FieldNames names({});
  for (const auto& name : {""s, "lower"s, "1ST"s, "QUOTE\""s, std::string(65, 'N'), "_BOOT_ID"s, "__CURSOR"s}) {
    INFO(name);
    for (int times = 0; times < 2; ++times) {
      const auto* taken = names.take(name);
      REQUIRE(taken != nullptr);
      CHECK_FALSE(taken->published);
    }
    CHECK_FALSE(names.is_published(name));
  }
}

TEST_CASE("only the chosen fields are published", "[field_names]") {
  FieldNames names({"PRIORITY", "MESSAGE"});
  CHECK(names.take("MESSAGE")->published);
  CHECK_FALSE(names.take("_PID")->published);
  CHECK(names.is_published("PRIORITY"));
  CHECK_FALSE(names.is_published("_PID"));
}

TEST_CASE("more names than there is room for are forgotten with the next entry", "[field_names]") {
  FieldNames names({});
  for (std::size_t i = 0; i < FieldNames::kNamesMax; ++i) REQUIRE(names.take("F" + std::to_string(i)) != nullptr);
  CHECK(names.take("ONE_TOO_MANY") == nullptr);
  names.next_entry();
  CHECK(names.take("ONE_TOO_MANY") != nullptr);
  CHECK(names.take("F0") != nullptr);
}

TEST_CASE("a name that is known is taken again without being looked for", "[field_names]") {
  FieldNames names({});
  CHECK(names.next_entry());
  const FieldNames::Name* const message = names.take("MESSAGE");
  const FieldNames::Name* const boot = names.take("_BOOT_ID");
  CHECK_FALSE(names.take_again(*message));
  CHECK(names.take_again(*boot));  // it is not published, so how often it is there is all the same
  CHECK(names.next_entry());
  CHECK(names.take_again(*message));
  CHECK(names.take("MESSAGE") == nullptr);
  for (std::size_t i = 0; i < FieldNames::kNamesMax; ++i) names.take("N" + std::to_string(i));
  CHECK_FALSE(names.next_entry());
  CHECK(names.next_entry());
}
