#include "sim/class_run.h"

#include <algorithm>
#include <cstdio>
#include <deque>

#include "sim/cluster.h"

namespace stargazer::sim {
namespace {

constexpr std::size_t kLinesShownOnViolation = 60;

void add(ClassResult& result, const Options& options, const Cluster& cluster) {
  const ClusterWatch& watch = cluster.watch();
  const double seconds = to_seconds(options.request.length);
  ++result.seeds;
  result.overlapping_seeds += watch.overlaps() > 0 ? 1 : 0;
  result.longest_overlap = std::max(result.longest_overlap, watch.longest_overlap());
  result.idle += to_seconds(watch.idle()) / seconds;
  result.requests_per_second += static_cast<double>(cluster.lease_requests()) / seconds / options.request.nodes;
  result.gaps.insert(result.gaps.end(), watch.gaps().begin(), watch.gaps().end());
  for (std::size_t place = 0; place < kInvariantCount; ++place) {
    const std::uint64_t count = cluster.findings().count(static_cast<Invariant>(place));
    result.findings[place] += count;
    if (count > 0 && result.first_seed_with[place] == 0) result.first_seed_with[place] = options.request.seed;
  }
}

// "" when there is no limit or it is kept.
std::string above(const char* what, double value, const std::optional<double>& limit) {
  if (!limit || value <= *limit) return "";
  return std::string(" ") + what + " above the limit";
}

std::string limit_text(const std::optional<double>& limit) {
  if (!limit) return "-";
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%.1f", *limit);
  return text.data();
}

void print_head() {
  std::printf("%-27s %6s %9s %8s %16s %15s %15s %8s  %s\n", "fault class", "seeds", "overlaps", "longest",
              "idle % (3.8 P4)", "gap p50 (3.8)", "gap p99 (3.8)", "req/s", "verdict");
}

bool print_result(const FaultClass& fault_class, const ClassResult& result) {
  const double idle = 100 * result.idle;
  const double median = to_seconds(result.gap_quantile(0.5));
  const double p99 = to_seconds(result.gap_quantile(0.99));
  std::string verdict = above("idle", idle, fault_class.idle_max) +
                        above("median gap", median, fault_class.gap_median_max) +
                        above("p99 gap", p99, fault_class.gap_p99_max);
  if (result.violating_seed != 0) verdict = " seed " + std::to_string(result.violating_seed);
  const bool held = verdict.empty();
  std::printf("%-27s %6llu %9llu %7.1fs %8.2f (%4s) %8.1f (%4s) %8.1f (%4s) %8.2f  %s%s\n", fault_class.name,
              static_cast<unsigned long long>(result.seeds), static_cast<unsigned long long>(result.overlapping_seeds),
              to_seconds(result.longest_overlap), idle, limit_text(fault_class.idle_max).c_str(), median,
              limit_text(fault_class.gap_median_max).c_str(), p99, limit_text(fault_class.gap_p99_max).c_str(),
              result.requests_per_second, held ? "ok" : "VIOLATED:", verdict.c_str());
  std::fflush(stdout);
  return held;
}

}  // namespace

Duration ClassResult::gap_quantile(double part) const {
  if (gaps.empty()) return {};
  std::vector<Duration> sorted = gaps;
  std::sort(sorted.begin(), sorted.end());
  return sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))];
}

void show_violation(const Options& options) {
  std::deque<std::string> last_lines;
  Cluster again(options, [&last_lines](const std::string& line) {
    last_lines.push_back(line);
    if (last_lines.size() > kLinesShownOnViolation) last_lines.pop_front();
  });
  again.run();
  std::printf("%s\n", describe(options).c_str());
  for (const std::string& line : last_lines) std::printf("  %s\n", line.c_str());
  std::printf("seed %llu VIOLATED at %s\n", static_cast<unsigned long long>(options.request.seed),
              again.verdict().violation().c_str());
}

ClassResult run_class(const FaultClass& fault_class, Seeds seeds, const Broken& broken) {
  ClassResult result;
  for (std::uint64_t seed = seeds.first; seed <= seeds.last; ++seed) {
    const Options options = class_options(fault_class, seed, broken);
    Cluster cluster(options, nullptr);
    cluster.run();
    add(result, options, cluster);
    if (cluster.verdict().ok()) continue;
    show_violation(options);
    result.violating_seed = seed;
    break;
  }
  result.idle /= static_cast<double>(result.seeds);
  result.requests_per_second /= static_cast<double>(result.seeds);
  return result;
}

bool run_classes(const std::string& name, Seeds seeds) {
  std::uint64_t passed = 0;
  std::uint64_t failed = 0;
  print_head();
  for (const FaultClass& fault_class : fault_classes()) {
    if (!name.empty() && name != fault_class.name) continue;
    const bool held = print_result(fault_class, run_class(fault_class, seeds, {}));
    held ? ++passed : ++failed;
  }
  std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(passed),
              static_cast<unsigned long long>(failed));
  return failed == 0;
}

}  // namespace stargazer::sim
