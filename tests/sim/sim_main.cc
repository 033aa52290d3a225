// The simulator's command line. See tests/sim/README.md.
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "sim/class_run.h"
#include "sim/cluster.h"
#include "sim/herd.h"
#include "sim/rules.h"
#include "sim/story.h"

namespace stargazer::sim {
namespace {

constexpr const char* kUsage =
    "sim --seeds A..B [--hours 1] [--nodes 3] [--tasks 20] [--mutant NAME]   one run a seed, quietly\n"
    "sim --seed S [the same] [--trace | --digest]                            one run, told or summed up\n"
    "sim --classes                                                           the names of the fault classes\n"
    "sim --class NAME|all --seeds A..B                                       the fault classes of LEASE.md 3.8\n"
    "sim --class NAME|all --seeds A..B --without RULE [--without RULE …]     what is found without these rules\n"
    "sim --class NAME --seed S [--trace | --digest]                          one run of one of them\n"
    "sim --rules --seeds 1..B                                                what each rule of the lease is for\n"
    "sim --herd --seeds A..B                                                 50 nodes, Redis away for ten minutes\n"
    "sim --transcripts DIR [--rewrite]                                       the stories of DIR/*.txt\n"
    "\n"
    "Exit status: 0 all held, 1 a violation or a story that went differently, 2 wrong usage.\n"
    "Mutants: two-leaders, short-ttl, immortal, overlap.\n";

struct CommandLine {
  Request request;
  std::uint64_t first_seed = 0;
  std::uint64_t last_seed = 0;
  bool trace = false;
  bool digest = false;
  bool rewrite = false;
  std::string transcripts;
  std::string fault_class;  // "all" stands for each
  bool rules = false;
  bool herd = false;
  bool classes = false;
};

template <typename Number>
bool read_number(const std::string& text, Number& number) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && rest == end;
}

bool read_seeds(const std::string& text, CommandLine& line) {
  const std::size_t dots = text.find("..");
  if (dots == std::string::npos) return false;
  return read_number(text.substr(0, dots), line.first_seed) && read_number(text.substr(dots + 2), line.last_seed) &&
         line.first_seed <= line.last_seed;
}

bool read_hours(const std::string& text, Duration& length) {
  double hours = 0;
  if (!read_number(text, hours) || hours < 0.1 || hours > 10'000) return false;
  length = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::duration<double, std::ratio<3600>>(hours));
  return true;
}

bool read_value(const std::string& name, const std::string& value, CommandLine& line) {
  constexpr std::uint32_t kNodesMax = 100;
  constexpr std::uint32_t kTasksMax = 10'000;
  Request& request = line.request;
  if (name == "--seeds") return read_seeds(value, line);
  if (name == "--seed") return read_seeds(value + ".." + value, line);
  if (name == "--hours") return read_hours(value, request.length);
  if (name == "--nodes") return read_number(value, request.nodes) && request.nodes >= 1 && request.nodes <= kNodesMax;
  if (name == "--tasks") return read_number(value, request.tasks) && request.tasks <= kTasksMax;
  if (name == "--mutant") return parse_mutant(value, request.broken.mutant);
  if (name == "--without") return switch_off(value, request.broken);
  if (name == "--class") {
    line.fault_class = value;
    return value == "all" || fault_class_named(value) != nullptr;
  }
  line.transcripts = value;
  return name == "--transcripts";
}

std::optional<CommandLine> read_arguments(const std::vector<std::string>& arguments) {
  CommandLine line;
  for (std::size_t place = 0; place < arguments.size(); ++place) {
    const std::string& name = arguments[place];
    if (name == "--trace") {
      line.trace = true;
    } else if (name == "--digest") {
      line.digest = true;
    } else if (name == "--rewrite") {
      line.rewrite = true;
    } else if (name == "--rules") {
      line.rules = true;
    } else if (name == "--herd") {
      line.herd = true;
    } else if (name == "--classes") {
      line.classes = true;
    } else if (++place == arguments.size() || !read_value(name, arguments[place], line)) {
      return std::nullopt;
    }
  }
  const bool stories = !line.transcripts.empty();
  if (line.classes) return line;
  if (stories == (line.last_seed > 0)) return std::nullopt;
  if (line.fault_class == "all" && (line.trace || line.digest)) return std::nullopt;
  return line;
}

// Answers whether every seed kept every invariant; stops at the first that did not.
bool run_seeds(const CommandLine& line) {
  std::uint64_t steps = 0;
  Digest digest;
  Trace::Sink sink;
  if (line.trace) sink = [](const std::string& text) { std::printf("%s\n", text.c_str()); };
  if (line.digest) sink = [&digest](const std::string& text) { digest.add(text); };
  Request request = line.request;
  for (request.seed = line.first_seed; request.seed <= line.last_seed; ++request.seed) {
    const Options options = line.fault_class.empty()
                                ? draw_options(request)
                                : class_options(*fault_class_named(line.fault_class), request.seed, request.broken);
    if (line.trace) std::printf("%s\n", describe(options).c_str());
    Cluster cluster(options, sink);
    cluster.run();
    steps += cluster.steps();
    if (cluster.verdict().ok()) continue;
    show_violation(options);
    return false;
  }
  if (line.digest) std::printf("digest %016llx\n", static_cast<unsigned long long>(digest.value()));
  const std::uint64_t seeds = line.last_seed - line.first_seed + 1;
  std::printf("%llu seeds, %llu steps, 0 violations\n", static_cast<unsigned long long>(seeds),
              static_cast<unsigned long long>(steps));
  return true;
}

// With rules switched off: what is found is shown and is no failure.
bool show_findings(const CommandLine& line, Seeds seeds) {
  for (const FaultClass& fault_class : fault_classes()) {
    if (line.fault_class != "all" && line.fault_class != fault_class.name) continue;
    print_findings(fault_class, seeds, line.request.broken);
  }
  return true;
}

bool print_classes() {
  for (const FaultClass& fault_class : fault_classes()) std::printf("%s\n", fault_class.name);
  return true;
}

bool run_herds(const CommandLine& line) {
  bool held = true;
  for (std::uint64_t seed = line.first_seed; seed <= line.last_seed; ++seed) held = run_herd(seed) && held;
  return held;
}

bool carry_out(const CommandLine& line) {
  if (!line.transcripts.empty()) return run_stories(line.transcripts, line.rewrite);
  if (line.classes) return print_classes();
  if (line.rules) return run_rules(line.last_seed);
  if (line.herd) return run_herds(line);
  if (line.fault_class.empty() || line.trace || line.digest) return run_seeds(line);
  const Seeds seeds{line.first_seed, line.last_seed};
  if (line.request.broken.only_count) return show_findings(line, seeds);
  return run_classes(line.fault_class == "all" ? "" : line.fault_class, seeds);
}

int run(const std::vector<std::string>& arguments) {
  constexpr int kWrongUsage = 2;
  const std::optional<CommandLine> line = read_arguments(arguments);
  if (!line) {
    std::fputs(kUsage, stderr);
    return kWrongUsage;
  }
  return carry_out(*line) ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace stargazer::sim

int main(int argc, char** argv) {
  return stargazer::sim::run(std::vector<std::string>(argv + 1, argv + argc));
}
