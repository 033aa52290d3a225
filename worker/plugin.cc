#include "worker/plugin.h"

#include <algorithm>
#include <cstdint>
#include <dlfcn.h>

#include "io/printable.h"

namespace stargazer::worker {
namespace {

constexpr std::uint32_t kJobsMax = 1024;
constexpr std::uint32_t kNamesShownMax = 20;

constexpr std::size_t kShownBytesMax = 256;

std::string text_of(const char* text) {
  return text == nullptr ? "" : text;
}

std::string shown(const char* text) {
  return printable(text_of(text), kShownBytesMax);
}

std::string loader_problem() {
  const char* problem = dlerror();
  return problem == nullptr ? "it cannot be loaded" : problem;
}

// "a, b and 3 more".
std::string names_of(const stargazer_plugin& plugin) {
  std::string names;
  const std::uint32_t count = std::min(plugin.job_count, kNamesShownMax);
  for (std::uint32_t place = 0; place < count; ++place) {
    names.append(names.empty() ? "" : ", ").append(shown(plugin.jobs[place].name));
  }
  if (plugin.job_count > count) names += " and " + std::to_string(plugin.job_count - count) + " more";
  return names;
}

}  // namespace

Result<const stargazer_plugin*> load_plugin(const std::string& path) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  // The loader's message begins with the path of the file that it is about, which need not be this one.
  if (library == nullptr) return Error("the plugin cannot be loaded: " + loader_problem());
  void* const symbol = dlsym(library, STARGAZER_PLUGIN_ENTRY_NAME);
  if (symbol == nullptr) return Error(path + ": it is no plugin: it exports no " STARGAZER_PLUGIN_ENTRY_NAME);
  const auto entry = reinterpret_cast<decltype(&stargazer_plugin_entry)>(symbol);
  const stargazer_plugin* const plugin = entry();
  if (Status checked = check_plugin(plugin); !checked.ok()) return checked.error().in(path);
  return plugin;
}

Status check_plugin(const stargazer_plugin* plugin) {
  if (plugin == nullptr) return Error("its " STARGAZER_PLUGIN_ENTRY_NAME " returned null");
  if (plugin->abi_version != STARGAZER_PLUGIN_ABI_VERSION) {
    return Error("it is built for version " + std::to_string(plugin->abi_version) +
                 " of stargazer/plugin.h, this stargazer-worker knows version " +
                 std::to_string(STARGAZER_PLUGIN_ABI_VERSION));
  }
  if (plugin->job_count == 0 || plugin->jobs == nullptr) return Error("it names no jobs");
  if (plugin->job_count > kJobsMax) {
    return Error("it names " + std::to_string(plugin->job_count) + " jobs, allowed are " + std::to_string(kJobsMax));
  }
  return {};
}

Result<const stargazer_job*> find_job(const stargazer_plugin& plugin, const std::string& name) {
  for (std::uint32_t place = 0; place < plugin.job_count; ++place) {
    const stargazer_job& job = plugin.jobs[place];
    if (text_of(job.name) != name) continue;
    if (job.run == nullptr) return Error("its job \"" + name + "\" has no run function");
    return &job;
  }
  return Error("the plugin \"" + shown(plugin.name) + "\" has no job \"" + name + "\"; there are: " + names_of(plugin));
}

std::string list_text(const stargazer_plugin& plugin) {
  std::size_t width = 0;
  for (std::uint32_t place = 0; place < plugin.job_count; ++place) {
    width = std::max(width, shown(plugin.jobs[place].name).size());
  }
  std::string text = "plugin " + shown(plugin.name) + "\n";
  for (std::uint32_t place = 0; place < plugin.job_count; ++place) {
    std::string name = shown(plugin.jobs[place].name);
    name.resize(width, ' ');
    text += "  " + name + "  " + shown(plugin.jobs[place].description) + "\n";
  }
  return text;
}

}  // namespace stargazer::worker
