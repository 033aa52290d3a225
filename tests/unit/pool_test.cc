#include "core/pool.h"

#include <type_traits>

#include "unit/catch.h"

using namespace stargazer;

static_assert(!std::is_copy_constructible_v<Permit> && !std::is_copy_assignable_v<Permit>);
static_assert(std::is_nothrow_move_constructible_v<Permit> && std::is_nothrow_move_assignable_v<Permit>);

TEST_CASE("pools are known by their names, the one over all by none", "[pool]") {
  const Pools pools(16, {{"io", {4}}, {"llm", {2}}});
  CHECK(pools.size() == 3);
  CHECK(pools.index_of("") == kNoPool);
  CHECK(pools.index_of("io") != pools.index_of("llm"));
  CHECK(pools.index_of("llm") != kNoPool);
}

TEST_CASE("a pool gives out its places, and no more", "[pool]") {
  Pools pools(16, {{"llm", {2}}});
  const PoolIndex llm = pools.index_of("llm");
  const auto first = pools.take(llm);
  const auto second = pools.take(llm);
  CHECK(first);
  CHECK(second);
  CHECK_FALSE(pools.has_room(llm));
  CHECK_FALSE(pools.take(llm));
  CHECK(pools.full_reason(llm) == "pool llm is full (2 of 2)");
  CHECK(pools.has_room(kNoPool));
}

TEST_CASE("the limit over all holds for every pool", "[pool]") {
  Pools pools(2, {{"io", {4}}, {"llm", {4}}});
  const auto first = pools.take(pools.index_of("io"));
  const auto second = pools.take(kNoPool);
  CHECK_FALSE(pools.take(pools.index_of("llm")));
  CHECK_FALSE(pools.take(kNoPool));
  const std::string all_taken = "all 2 places are taken (scheduler.max_concurrent_runs)";
  CHECK(pools.full_reason(pools.index_of("llm")) == all_taken);
  CHECK(pools.full_reason(kNoPool) == all_taken);
}

TEST_CASE("a place is free again when its permit is destroyed", "[pool]") {
  Pools pools(1, {{"llm", {1}}});
  const PoolIndex llm = pools.index_of("llm");
  { const auto permit = pools.take(llm); }
  CHECK(pools.has_room(llm));
  CHECK(pools.has_room(kNoPool));
}

TEST_CASE("a permit that moves holds its one place throughout", "[pool]") {
  Pools pools(2, {{"io", {1}}, {"llm", {1}}});
  const PoolIndex io = pools.index_of("io");
  const PoolIndex llm = pools.index_of("llm");
  auto holder = pools.take(llm);
  {
    const Permit moved = std::move(*holder);
    holder.reset();  // an empty shell
    CHECK_FALSE(pools.has_room(llm));
  }
  CHECK(pools.has_room(llm));

  SECTION("what is moved over is given back") {
    Permit kept = *pools.take(io);
    Permit other = *pools.take(llm);
    kept = std::move(other);
    CHECK(pools.has_room(io));
    CHECK_FALSE(pools.has_room(llm));
  }
  SECTION("moving it to itself changes nothing") {
    Permit kept = *pools.take(io);
    Permit& alias = kept;
    kept = std::move(alias);
    CHECK_FALSE(pools.has_room(io));
  }
  CHECK(pools.has_room(io));
  CHECK(pools.has_room(llm));
}

TEST_CASE("a limit of zero lets nothing run", "[pool]") {
  Pools pools(16, {{"off", {0}}});
  CHECK_FALSE(pools.take(pools.index_of("off")));
  CHECK(pools.full_reason(pools.index_of("off")) == "pool off is full (0 of 0)");
}
