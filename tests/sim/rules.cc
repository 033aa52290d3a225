#include "sim/rules.h"

#include <array>
#include <cstdio>
#include <utility>

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
    {"hold_off_at_early_end", [](Broken& b) -> bool& { return b.rules.hold_off_at_early_end; }},
    {"hold_off_at_clock_step", [](Broken& b) -> bool& { return b.rules.hold_off_at_clock_step; }},
    {"recreate", [](Broken& b) -> bool& { return b.rules.recreate; }},
    {"recognise_own_grant", [](Broken& b) -> bool& { return b.rules.recognise_own_grant; }},
    {"reap_before_release", [](Broken& b) -> bool& { return b.rules.reap_before_release; }},
    {"fence", [](Broken& b) -> bool& { return b.fakes.fence; }},
}};

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
