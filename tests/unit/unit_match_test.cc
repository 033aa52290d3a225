#include "feed/unit_match.h"

#include "unit/catch.h"

using namespace stargazer;

TEST_CASE("unit names are completed as journalctl -u does", "[unit_match]") {
  CHECK(mangled_unit_name("stargazer") == "stargazer.service");
  CHECK(mangled_unit_name("stargazer.service") == "stargazer.service");
  CHECK(mangled_unit_name("stargazer.slice") == "stargazer.slice");
  CHECK(mangled_unit_name("web@1.example.org") == "web@1.example.org.service");
  CHECK(mangled_unit_name(".service") == ".service.service");
  CHECK(mangled_unit_name("a/b c") == "a-b\\x20c.service");
  CHECK(mangled_unit_name("stargazer-*") == "stargazer-*");
}

TEST_CASE("globs are told from names", "[unit_match]") {
  CHECK(is_unit_glob("stargazer-*"));
  CHECK(is_unit_glob("stargazer-?.service"));
  CHECK(is_unit_glob("stargazer-[ab].service"));
  CHECK_FALSE(is_unit_glob("stargazer.service"));
}
