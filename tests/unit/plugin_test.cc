#include "worker/plugin.h"

#include <array>
#include <string>
#include <vector>

#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::worker;

namespace {

int nothing(const stargazer_host*) {
  return STARGAZER_OK;
}

int other(const stargazer_host*) {
  return STARGAZER_SKIPPED;
}

const std::array<stargazer_job, 4> kJobs{{{"decay", "weakens edges", &nothing},
                                          {"gc", "ü\n", &nothing},
                                          {"later", nullptr, nullptr},
                                          {"decay", "never found", &other}}};

stargazer_plugin plugin_with(std::uint32_t version, std::uint32_t job_count, const stargazer_job* jobs) {
  return {version, job_count, "example", jobs};
}

const stargazer_plugin kPlugin{STARGAZER_PLUGIN_ABI_VERSION, kJobs.size(), "example", kJobs.data()};

}  // namespace

TEST_CASE("a plugin of this version with jobs is good", "[plugin]") {
  CHECK(check_plugin(&kPlugin).ok());
}

TEST_CASE("a plugin that cannot be used says why", "[plugin]") {
  const auto problem = [](const stargazer_plugin& plugin) { return check_plugin(&plugin).error().message(); };
  CHECK(check_plugin(nullptr).error().message() == "its stargazer_plugin_entry returned null");
  CHECK(problem(plugin_with(2, 1, kJobs.data())) ==
        "it is built for version 2 of stargazer/plugin.h, this stargazer-worker knows version 1");
  CHECK(problem(plugin_with(0, 1, kJobs.data())) ==
        "it is built for version 0 of stargazer/plugin.h, this stargazer-worker knows version 1");
  CHECK(problem(plugin_with(1, 0, kJobs.data())) == "it names no jobs");
  CHECK(problem(plugin_with(1, 1, nullptr)) == "it names no jobs");
  CHECK(problem(plugin_with(1, 1025, kJobs.data())) == "it names 1025 jobs, allowed are 1024");
}

TEST_CASE("a job is found by its name, the first of two", "[plugin]") {
  const Result<const stargazer_job*> job = find_job(kPlugin, "decay");
  REQUIRE(job.ok());
  CHECK(*job == &kJobs[0]);
}

TEST_CASE("a job that is not there is an error that names those that are", "[plugin]") {
  CHECK(find_job(kPlugin, "dekay").error().message() ==
        "the plugin \"example\" has no job \"dekay\"; there are: decay, gc, later, decay");
  const stargazer_job nameless{nullptr, nullptr, &nothing};
  const stargazer_plugin plugin{STARGAZER_PLUGIN_ABI_VERSION, 1, nullptr, &nameless};
  CHECK(find_job(plugin, "x").error().message() == "the plugin \"\" has no job \"x\"; there are: ");
  const std::vector<stargazer_job> many(30, kJobs[0]);
  const std::string message = find_job(plugin_with(1, 30, many.data()), "x").error().message();
  CHECK(message.ends_with(", decay and 10 more"));
}

TEST_CASE("a job without a function is an error", "[plugin]") {
  CHECK(find_job(kPlugin, "later").error().message() == "its job \"later\" has no run function");
}

TEST_CASE("the list names the plugin and each job on a line of its own, whatever its texts", "[plugin]") {
  CHECK(list_text(kPlugin) ==
        "plugin example\n"
        "  decay  weakens edges\n"
        "  gc     \\xc3\\xbc\\x0a\n"
        "  later  \n"
        "  decay  never found\n");
}

TEST_CASE("a library that cannot be loaded is an error with the loader's words", "[plugin]") {
  CHECK(load_plugin("/nonexistent/plugin.so").error().message() ==
        "the plugin cannot be loaded: /nonexistent/plugin.so: cannot open shared object file: No such file or "
        "directory");
}
