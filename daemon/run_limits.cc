#include "daemon/run_limits.h"

#include <map>
#include <utility>

namespace stargazer {
namespace {

constexpr std::size_t kNamesShownMax = 10;

template <typename Call>
void for_each_limited(const Config& config, const Call& call) {
  for (const TaskConfig& task : config.tasks) {
    if (task.enabled && task.limits.any()) call(task.name, task.limits);
  }
  for (const SupervisedConfig& worker : config.supervised) {
    if (worker.enabled && worker.limits.any()) call(worker.name, worker.limits);
  }
}

struct Names {
  std::string text;
  std::size_t count = 0;

  void add(const std::string& name) {
    if (count++ < kNamesShownMax) text.append(text.empty() ? "" : ", ").append(name);
  }
  std::string shown() const { return count > kNamesShownMax ? text + ", …" : text; }
};

std::string how_enforced(const LimitSetup& setup) {
  if (setup.directory.empty()) return "limits of runs are not enforced by control groups: " + setup.obstacle;
  return "limits of runs are enforced by control groups in " + setup.directory +
         (setup.obstacle.empty() ? "" : " (" + setup.obstacle + ")");
}

}  // namespace

bool has_limits(const Config& config) {
  bool any = false;
  for_each_limited(config, [&any](const std::string&, const Limits&) { any = true; });
  return any;
}

LimitSetup set_up_limits_of(const Config& config, const KeeperSetup& keeper,
                            const std::function<void(Priority, std::string)>& say) {
  if (!has_limits(config)) return {};
  LimitSetup setup = set_up_limits(keeper);
  if (setup.helper.empty()) {
    say(Priority::kWarning, "runs with limits cannot be started: " + setup.helper_obstacle);
    return setup;
  }
  std::map<std::string, Names> lacking;  // by what is lacking
  for_each_limited(config, [&](const std::string& name, const Limits& limits) {
    const std::string text = unenforced_text(setup, limits);
    if (!text.empty()) lacking[text].add(name);
  });
  say(lacking.empty() ? Priority::kNotice : Priority::kWarning, how_enforced(setup));
  for (const auto& [text, names] : lacking) say(Priority::kWarning, text + ", for " + names.shown());
  return setup;
}

}  // namespace stargazer
