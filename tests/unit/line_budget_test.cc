#include "core/line_budget.h"

#include "unit/catch.h"
#include "unit/fakes.h"

using namespace std::chrono_literals;
using namespace stargazer;

namespace {

// How many of `count` lines that come at `now` are shown.
std::uint64_t shown_of(LineBudget& budget, int count, Duration now) {
  std::uint64_t shown = 0;
  for (int line = 0; line < count; ++line) shown += budget.take(at(now), 80).shown ? 1 : 0;
  return shown;
}

}  // namespace

TEST_CASE("a burst is shown as it is, and what is beyond it is left out", "[line_budget]") {
  LineBudget budget(10, 100);
  CHECK(shown_of(budget, 100, 0s) == 100);
  CHECK(shown_of(budget, 50, 0s) == 0);
  CHECK(budget.take_left_out() == 50);
  CHECK(budget.take_left_out() == 0);
}

TEST_CASE("lines that keep to the rate are all shown", "[line_budget]") {
  LineBudget budget(10, 10);
  for (int tenth = 0; tenth < 1000; ++tenth) {
    const LineBudget::Verdict verdict = budget.take(at(tenth * 100ms), 1024);
    REQUIRE(verdict.shown);
    REQUIRE(verdict.left_out == 0);
  }
}

TEST_CASE("after lines were left out, the first that is shown again says how many", "[line_budget]") {
  LineBudget budget(10, 20);
  CHECK(shown_of(budget, 25, 0s) == 20);
  // Not with the first that there is room for, or a flood would be told of before each line.
  CHECK_FALSE(budget.take(at(500ms), 80).shown);
  const LineBudget::Verdict first = budget.take(at(1s), 80);
  CHECK(first.shown);
  CHECK(first.left_out == 6);
  CHECK(budget.take(at(1s), 80).left_out == 0);
  CHECK(shown_of(budget, 100, 1s) == 8);
}

TEST_CASE("a flood is shown at the rate, with one mark a second", "[line_budget]") {
  LineBudget budget(100, 100);
  std::uint64_t shown = 0;
  std::uint64_t marks = 0;
  std::uint64_t told = 0;
  for (int millisecond = 0; millisecond < 10'000; ++millisecond) {
    for (int line = 0; line < 10; ++line) {
      const LineBudget::Verdict verdict = budget.take(at(millisecond * 1ms), 0);
      shown += verdict.shown ? 1 : 0;
      marks += verdict.left_out > 0 ? 1 : 0;
      told += verdict.left_out;
    }
  }
  CHECK(shown >= 900);
  CHECK(shown <= 1100);
  CHECK(marks <= 10);
  CHECK(shown + told + budget.take_left_out() == 100'000);
}

TEST_CASE("a quiet run fills its burst again, and no more than that", "[line_budget]") {
  LineBudget budget(10, 30);
  CHECK(shown_of(budget, 30, 0s) == 30);
  CHECK(shown_of(budget, 100, 1h) == 30);
}

TEST_CASE("a burst is at least a second's worth, and a rate of 0 limits nothing", "[line_budget]") {
  LineBudget small(50, 1);
  CHECK(shown_of(small, 100, 0s) == 50);
  LineBudget none(0, 0);
  CHECK(shown_of(none, 100'000, 0s) == 100'000);
  CHECK(none.take_left_out() == 0);
}

TEST_CASE("a long line counts as one for each KiB that it begins, and never as more than there can be room for",
          "[line_budget]") {
  LineBudget budget(10, 100);
  CHECK(budget.take(at(0s), 16 * 1024).shown);
  CHECK(budget.take(at(0s), 16 * 1024 + 1).shown);
  CHECK(shown_of(budget, 100, 0s) == 67);
  LineBudget small(1, 4);
  CHECK(small.take(at(0s), 1024 * 1024).shown);
  CHECK_FALSE(small.take(at(0s), 1).shown);
  CHECK_FALSE(small.take(at(3s), 1024 * 1024).shown);
  CHECK(small.take(at(4s), 1024 * 1024).left_out == 2);
}
