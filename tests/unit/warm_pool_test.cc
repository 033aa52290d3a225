// What is decided about warm workers: which process is kept, which one the next run gets, and when each has to go.
#include "core/warm_pool.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "unit/catch.h"

using namespace stargazer;
using namespace std::chrono_literals;

namespace {

using Ids = std::vector<WarmPool::ProcessId>;

constexpr Instant kStart{};

// A pool with one process that became idle at each second, of these keys, in this order: 1, 2, 3, …
WarmPool pool_of(const std::vector<std::string>& keys, std::uint32_t idle_max = 10) {
  WarmPool pool(idle_max);
  for (std::size_t place = 0; place < keys.size(); ++place) {
    CHECK(pool.park(place + 1, keys[place], 0, 60s, kStart + std::chrono::seconds(place)).empty());
  }
  return pool;
}

std::optional<WarmPool::ProcessId> take(WarmPool& pool, const std::string& key) {
  Ids stale;
  const auto taken = pool.take(key, 0, stale);
  CHECK(stale.empty());
  return taken;
}

}  // namespace

TEST_CASE("a process about which nothing is in doubt is kept", "[warm_pool]") {
  CHECK_FALSE(why_not_kept({}, {}).has_value());
}

TEST_CASE("a process is kept up to its last run and its most memory", "[warm_pool]") {
  const WarmRules rules{.keep = true, .group = "", .runs_max = 3, .memory_max_bytes = 1000};
  CHECK_FALSE(why_not_kept(rules, {.run_count = 2, .memory_bytes = 1000}).has_value());
  CHECK(why_not_kept(rules, {.run_count = 3}) == WarmEnd::kMaxRuns);
  CHECK(why_not_kept(rules, {.run_count = 4}) == WarmEnd::kMaxRuns);
  CHECK(why_not_kept(rules, {.memory_bytes = 1001}) == WarmEnd::kMaxMemory);
  CHECK(why_not_kept({.group = "", .runs_max = 1}, {}) == WarmEnd::kMaxRuns);
}

TEST_CASE("without warm_max_memory a process may hold any amount", "[warm_pool]") {
  CHECK_FALSE(why_not_kept({}, {.memory_bytes = std::uint64_t{1} << 50}).has_value());
}

TEST_CASE("whatever puts a process in doubt ends it, and is told as that", "[warm_pool]") {
  CHECK(why_not_kept({}, {.announced = false}) == WarmEnd::kUnannounced);
  CHECK(why_not_kept({}, {.stop_asked = true}) == WarmEnd::kStopAsked);
  CHECK(why_not_kept({}, {.process_count = 2}) == WarmEnd::kLeftBehind);
  CHECK(why_not_kept({}, {.spoke = true}) == WarmEnd::kSpoke);
  CHECK(why_not_kept({}, {.refused = true}) == WarmEnd::kRefused);
  CHECK(why_not_kept({}, {.limit_reached = true}) == WarmEnd::kLimit);
  // What somebody should look into comes before what is planned.
  CHECK(why_not_kept({.group = "", .runs_max = 1}, {.process_count = 2}) == WarmEnd::kLeftBehind);
}

TEST_CASE("the next run gets the process of its key that became idle last, once", "[warm_pool]") {
  WarmPool pool = pool_of({"a", "b", "a"});
  CHECK(take(pool, "a") == 3);
  CHECK(take(pool, "a") == 1);
  CHECK_FALSE(take(pool, "a").has_value());
  CHECK(take(pool, "b") == 2);
  CHECK(pool.size() == 0);
}

TEST_CASE("a process of another term is not for this one, and is told of", "[warm_pool]") {
  WarmPool pool(10);
  pool.park(1, "a", 7, 60s, kStart);
  pool.park(2, "a", 8, 60s, kStart);
  pool.park(3, "b", 7, 60s, kStart);
  Ids stale;
  CHECK(pool.take("a", 8, stale) == 2);
  CHECK(stale == Ids{1});
  CHECK(pool.size() == 1);
  // Not even for a run outside of the lease.
  stale.clear();
  CHECK_FALSE(pool.take("b", 0, stale).has_value());
  CHECK(stale == Ids{3});
}

TEST_CASE("of too many the one that has been idle longest has to go", "[warm_pool]") {
  WarmPool pool = pool_of({"a", "b", "c"}, 3);
  CHECK(pool.park(4, "d", 0, 60s, kStart + 3s) == Ids{1});
  CHECK(take(pool, "b") == 2);
  CHECK(pool.park(2, "b", 0, 60s, kStart + 4s).empty());
  CHECK(pool.park(5, "e", 0, 60s, kStart + 5s) == Ids{3});
}

TEST_CASE("a pool of none keeps none", "[warm_pool]") {
  WarmPool pool(0);
  CHECK_FALSE(pool.keeps());
  CHECK(pool.park(1, "a", 0, 60s, kStart) == Ids{1});
  CHECK(pool.size() == 0);
  CHECK(pool.next_expiry() == kNever);
}

TEST_CASE("a process has to go once it was idle for its timeout, and not before", "[warm_pool]") {
  WarmPool pool(10);
  pool.park(1, "a", 0, 60s, kStart);
  pool.park(2, "b", 0, 10s, kStart + 1s);
  CHECK(pool.next_expiry() == kStart + 11s);
  CHECK(pool.take_expired(kStart + 11s - 1ns).empty());
  CHECK(pool.take_expired(kStart + 11s) == Ids{2});
  CHECK(pool.next_expiry() == kStart + 60s);
  CHECK(pool.take_expired(kStart + 1h) == Ids{1});
  CHECK(pool.next_expiry() == kNever);
}

TEST_CASE("the timeout begins anew with each run", "[warm_pool]") {
  WarmPool pool = pool_of({"a"});
  CHECK(take(pool, "a") == 1);
  pool.park(1, "a", 0, 60s, kStart + 59s);
  CHECK(pool.take_expired(kStart + 118s).empty());
  CHECK(pool.take_expired(kStart + 119s) == Ids{1});
}

TEST_CASE("those of the lease, or all, are taken at once", "[warm_pool]") {
  WarmPool pool(10);
  pool.park(1, "a", 0, 60s, kStart);
  pool.park(2, "b", 7, 60s, kStart);
  pool.park(3, "c", 8, 60s, kStart);
  CHECK(pool.take_of_lease() == Ids{2, 3});
  CHECK(pool.take_of_lease().empty());
  CHECK(pool.take_all() == Ids{1});
  CHECK(pool.size() == 0);
}

TEST_CASE("a process that has ended is forgotten, whether it was idle or not", "[warm_pool]") {
  WarmPool pool = pool_of({"a", "a"});
  pool.remove(2);
  pool.remove(2);
  CHECK(take(pool, "a") == 1);
}

TEST_CASE("tasks share processes by their group, and only by that", "[warm_pool]") {
  CHECK(warm_key({}, "a") == warm_key({}, "a"));
  CHECK(warm_key({}, "a") != warm_key({}, "b"));
  CHECK(warm_key({.group = "g"}, "a") == warm_key({.group = "g"}, "b"));
  // A group that is called as a task is another thing.
  CHECK(warm_key({.group = "a"}, "b") != warm_key({}, "a"));
}

TEST_CASE("every end has words of its own", "[warm_pool]") {
  std::vector<std::string> texts;
  for (std::size_t end = 0; end < kWarmEndCount; ++end) {
    const std::string text = text_of(static_cast<WarmEnd>(end));
    CHECK_FALSE(text.empty());
    CHECK(std::find(texts.begin(), texts.end(), text) == texts.end());
    texts.push_back(text);
  }
  CHECK(is_planned(WarmEnd::kIdleTimeout));
  CHECK_FALSE(is_planned(WarmEnd::kDied));
}
