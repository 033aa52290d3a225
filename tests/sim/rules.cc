#include "sim/rules.h"

#include <array>
#include <cstdio>
#include <optional>
#include <vector>

namespace stargazer::sim {
namespace {

struct Switch {
  const char* name;
  bool& (*of)(Broken& broken);
};

constexpr std::array<Switch, 14> kSwitches{{
    {"compare_owner", [](Broken& b) -> bool& { return b.fakes.compare_owner; }},
    {"compare_claim", [](Broken& b) -> bool& { return b.fakes.compare_claim; }},
    {"epochs_outlive_the_store", [](Broken& b) -> bool& { return b.rules.epochs_outlive_the_store; }},
    {"count_from_sending", [](Broken& b) -> bool& { return b.rules.count_from_sending; }},
    {"self_fence", [](Broken& b) -> bool& { return b.rules.self_fence; }},
    {"fuse", [](Broken& b) -> bool& { return b.fakes.fuse; }},
    {"hold_off_at_first_contact", [](Broken& b) -> bool& { return b.rules.hold_off_at_first_contact; }},
    {"hold_off_at_data_loss", [](Broken& b) -> bool& { return b.rules.hold_off_at_data_loss; }},
    {"outwait_last_grant", [](Broken& b) -> bool& { return b.rules.outwait_last_grant; }},
    {"count_grants", [](Broken& b) -> bool& { return b.rules.count_grants; }},
    {"recreate", [](Broken& b) -> bool& { return b.rules.recreate; }},
    {"recognise_own_grant", [](Broken& b) -> bool& { return b.rules.recognise_own_grant; }},
    {"reap_before_release", [](Broken& b) -> bool& { return b.rules.reap_before_release; }},
    {"fence", [](Broken& b) -> bool& { return b.fakes.fence; }},
}};

// What must be found in which class when these rules are off. Rules that back each other up have a row together beside
// the rows of their own, where what one still prevents alone is something else or needs another class.
struct Missed {
  std::vector<const char*> rules;
  const char* fault_class;
  std::optional<Invariant> found;  // none: much more time without active workers
};

const std::vector<Missed>& all_missed() {
  static const std::vector<Missed> kMissed{
      {{"compare_owner"}, "redis_failover_writes_lost", Invariant::kOneActiveSet},
      {{"compare_owner"}, "clean_stop", Invariant::kOwnKeyOnly},
      {{"compare_claim"}, "slow_acquire", Invariant::kOneActiveSet},
      {{"compare_claim"}, "everything", Invariant::kEpochsGrow},
      {{"epochs_outlive_the_store"}, "redis_restart_data_lost", Invariant::kEpochsGrow},
      {{"epochs_outlive_the_store"}, "state_lost", Invariant::kEpochsGrow},
      {{"count_from_sending"}, "partition_flaps", Invariant::kDeadAtKill},
      {{"self_fence", "fuse"}, "partition_flaps", Invariant::kOneActiveSet},
      {{"self_fence"}, "partition_flaps", Invariant::kRecovers},
      {{"self_fence"}, "everything", Invariant::kOneActiveSet},
      {{"fuse"}, "daemon_stopped", Invariant::kOneActiveSet},
      {{"hold_off_at_first_contact"}, "state_lost", Invariant::kOneActiveSet},
      {{"hold_off_at_first_contact"}, "slow_acquire", Invariant::kOneActiveSet},
      {{"hold_off_at_data_loss", "outwait_last_grant"}, "redis_restart_data_lost", Invariant::kOneActiveSet},
      {{"hold_off_at_data_loss"}, "state_lost", Invariant::kOneActiveSet},
      {{"hold_off_at_data_loss"}, "everything", Invariant::kOneActiveSet},
      {{"outwait_last_grant"}, "redis_clock_steps", Invariant::kOneActiveSet},
      {{"outwait_last_grant"}, "clock_jitter", Invariant::kOneActiveSet},
      {{"count_grants"}, "unseen_clock_jitter", Invariant::kOneActiveSet},
      {{"recreate"}, "redis_restart_data_lost", std::nullopt},
      {{"recognise_own_grant"}, "own_grant", std::nullopt},
      {{"reap_before_release"}, "clean_stop", Invariant::kOneActiveSet},
      {{"fence"}, "vm_pause", Invariant::kFenced},
  };
  return kMissed;
}

// "much more": by so much of the whole time.
constexpr double kIdleRise = 0.02;
constexpr std::uint64_t kIdleSeeds = 40;

// What was found, in words; "" for nothing.
std::string more_idle(const FaultClass& fault_class, const Broken& broken) {
  const double sound = run_class(fault_class, {1, kIdleSeeds}, {}).idle;
  const double idle = run_class(fault_class, {1, kIdleSeeds}, broken).idle;
  if (idle < sound + kIdleRise) return "";
  std::array<char, 80> text{};
  std::snprintf(text.data(), text.size(), "%.1f %% of the time without active workers instead of %.1f %%", 100 * idle,
                100 * sound);
  return text.data();
}

std::string violation(const FaultClass& fault_class, const Broken& broken, Invariant sought, std::uint64_t seeds) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const ClassResult result = run_class(fault_class, {seed, seed}, broken);
    if (result.found(sought) == 0) continue;
    std::string text = name_of(sought) + std::string(" broken, seed ") + std::to_string(seed);
    if (sought != Invariant::kOneActiveSet) return text;
    return text + ", for " + approximate_duration(result.longest_overlap);
  }
  return "";
}

bool is_missed(const Missed& row, std::uint64_t seeds) {
  Broken broken;
  std::string rules;
  for (const char* rule : row.rules) {
    switch_off(rule, broken);
    rules.append(rules.empty() ? "" : " + ").append(rule);
  }
  const FaultClass& fault_class = *fault_class_named(row.fault_class);
  const std::string found =
      row.found ? violation(fault_class, broken, *row.found, seeds) : more_idle(fault_class, broken);
  std::printf("without %-47s %-27s %s\n", rules.c_str(), row.fault_class,
              found.empty() ? "NOTHING FOUND" : found.c_str());
  std::fflush(stdout);
  return !found.empty();
}

}  // namespace

bool switch_off(const std::string& rule, Broken& broken) {
  for (const Switch& each : kSwitches) {
    if (rule != each.name) continue;
    each.of(broken) = false;
    broken.only_count = true;
    return true;
  }
  return false;
}

std::string rule_names() {
  std::string names;
  for (const Switch& each : kSwitches) names.append(names.empty() ? "" : ", ").append(each.name);
  return names;
}

bool run_rules(std::uint64_t seeds) {
  std::uint64_t missed = 0;
  for (const Missed& row : all_missed()) missed += is_missed(row, seeds) ? 1 : 0;
  const std::uint64_t rows = all_missed().size();
  std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(missed),
              static_cast<unsigned long long>(rows - missed));
  return missed == rows;
}

void print_findings(const FaultClass& fault_class, Seeds seeds, const Broken& broken) {
  const ClassResult result = run_class(fault_class, seeds, broken);
  std::printf("%-27s overlaps in %llu of %llu seeds, longest %.1f s; idle %.2f %%; gaps p50 %.1f s, p99 %.1f s;",
              fault_class.name, static_cast<unsigned long long>(result.overlapping_seeds),
              static_cast<unsigned long long>(result.seeds), to_seconds(result.longest_overlap), 100 * result.idle,
              to_seconds(result.gap_quantile(0.5)), to_seconds(result.gap_quantile(0.99)));
  for (std::size_t place = 0; place < kInvariantCount; ++place) {
    if (result.findings[place] == 0) continue;
    std::printf(" %.2s %llu (seed %llu)", name_of(static_cast<Invariant>(place)),
                static_cast<unsigned long long>(result.findings[place]),
                static_cast<unsigned long long>(result.first_seed_with[place]));
  }
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace stargazer::sim
