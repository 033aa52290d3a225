// A plugin: a shared library with the C ABI of stargazer/plugin.h.
#pragma once

#include <string>

#include "core/result.h"
#include "stargazer/plugin.h"

namespace stargazer::worker {

// Loads the library at `path`, which runs its code: constructors and stargazer_plugin_entry. It is never unloaded.
// Fails, with the path and the cause, when it cannot be loaded, is no plugin, is one of another version, or names no
// jobs. REQUIRES: `path` has a slash, or it would be looked for where the system's libraries are.
Result<const stargazer_plugin*> load_plugin(const std::string& path);

// The two parts of it that need no library: what stargazer_plugin_entry has returned, looked at; may be null.
Status check_plugin(const stargazer_plugin* plugin);
// The job of that name. Fails, naming the jobs that there are, when there is none, or when it has no function.
// REQUIRES: check_plugin is ok.
Result<const stargazer_job*> find_job(const stargazer_plugin& plugin, const std::string& name);

// What `stargazer-worker --list` prints: the plugin's name, then a line for each job. REQUIRES: check_plugin is ok.
std::string list_text(const stargazer_plugin& plugin);

}  // namespace stargazer::worker
