#include "core/result.h"

#include <memory>

#include "unit/catch.h"

using namespace stargazer;

namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return Error(std::to_string(number) + " is odd");
  return number / 2;
}

Status check_even(int number) {
  if (!half(number).ok()) return half(number).error();
  return {};
}

}  // namespace

TEST_CASE("a result is the value or the error that kept it from being made", "[result]") {
  CHECK(half(8).ok());
  CHECK(*half(8) == 4);
  CHECK_FALSE(half(7));
  CHECK(half(7).error().message() == "7 is odd");
}

TEST_CASE("a result hands out what can only be moved", "[result]") {
  Result<std::unique_ptr<std::string>> made = std::make_unique<std::string>("held");
  CHECK((*made)->size() == 4);
  const std::unique_ptr<std::string> taken = std::move(made).value();
  CHECK(*taken == "held");
}

TEST_CASE("a status is success unless it was given an error", "[result]") {
  CHECK(Status().ok());
  CHECK(check_even(8));
  REQUIRE_FALSE(check_even(7).ok());
  CHECK(check_even(7).error().message() == "7 is odd");
}

TEST_CASE("an error gains its context from the inside out", "[result]") {
  const Error refused("Connection refused");
  CHECK(refused.in("connect").in("redis 127.0.0.1:6379").message() ==
        "redis 127.0.0.1:6379: connect: Connection refused");
  CHECK(refused.message() == "Connection refused");
}
