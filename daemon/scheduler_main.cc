// stargazer-scheduler: reads the options and the configuration, then runs the daemon or reports on the configuration.
//
// Exit codes: 0 stopped as asked, or the configuration is good; 1 could not start; 78 (EX_CONFIG) the configuration is
// bad; 64 (EX_USAGE) the options are.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <sysexits.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "config/check_report.h"
#include "config/config_reader.h"
#include "core/registry.h"
#include "daemon/daemon.h"
#include "daemon/job_obstacle.h"
#include "io/log.h"

namespace {

using namespace stargazer;

struct Options {
  std::string config = "/etc/stargazer-scheduler/stargazer-scheduler.toml";
  bool check = false;
  bool json = false;
  LogTarget log = LogTarget::kAuto;
  Priority log_level = Priority::kInfo;
};

// A descriptor 0, 1 or 2 that is closed would be given to the next file opened, and written to by mistake.
void open_standard_descriptors() {
  while (true) {
    const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd > STDERR_FILENO) {
      close(fd);
      return;
    }
    if (fd < 0) return;
    fcntl(fd, F_SETFD, 0);
  }
}

template <typename Value>
void add_choice(CLI::App& app, const std::string& name, const std::string& help, Value& chosen,
                const std::map<std::string, Value>& values) {
  const auto choose = [&chosen, values](const std::string& text) { chosen = values.at(text); };
  app.add_option_function<std::string>(name, choose, help)->check(CLI::IsMember(values));
}

void describe(CLI::App& app, Options& options) {
  app.add_option("-c,--config", options.config, "Main configuration file (.toml or .json)")->capture_default_str();
  CLI::Option* check =
      app.add_flag("--check", options.check, "Check the configuration, say what each task will do, and exit");
  app.add_flag("--json", options.json, "With --check: as JSON")->needs(check);
  add_choice<LogTarget>(
      app, "--log", "Where the log goes", options.log,
      {{"auto", LogTarget::kAuto}, {"journal", LogTarget::kJournal}, {"terminal", LogTarget::kTerminal}});
  add_choice<Priority>(app, "--log-level", "Least important messages to log", options.log_level,
                       {{"error", Priority::kError},
                        {"warning", Priority::kWarning},
                        {"notice", Priority::kNotice},
                        {"info", Priority::kInfo},
                        {"debug", Priority::kDebug}});
  app.set_version_flag("--version", STARGAZER_VERSION);
}

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

int print_check(const Config& config, bool json) {
  const Registry registry = build_registry(config, [&config](const Job& job) { return job_obstacle(config, job); });
  std::cout << (json ? check_report_json(config, registry) : check_report_text(config, registry));
  return EX_OK;
}

int run_daemon(Config config, RedisTargets targets, const Options& options) {
  Log log(options.log, options.log_level);
  Daemon daemon(std::move(config), std::move(targets), log);
  const Status ran = daemon.run();
  if (ran.ok()) return EXIT_SUCCESS;
  log.write({Priority::kError, "could not start: " + ran.error().message(), {}});
  return EXIT_FAILURE;
}

// A stop that is asked for while we start must end as an orderly one: the event loop unblocks these once it listens.
void hold_stop_signals() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  sigprocmask(SIG_BLOCK, &stop, nullptr);
}

int run(const Options& options) {
  if (!options.check) hold_stop_signals();
  ConfigOutcome outcome = load_config(options.config, environment("SG_LEADER_KEY"));
  for (const std::string& problem : outcome.problems) std::cerr << problem << '\n';
  if (!outcome.config) return EX_CONFIG;
  Result<RedisTargets> targets = redis_targets(*outcome.config);
  if (!targets.ok()) {
    std::cerr << options.config << ": " << targets.error().message() << '\n';
    return EX_CONFIG;
  }
  if (options.check) return print_check(*outcome.config, options.json);
  return run_daemon(std::move(*outcome.config), std::move(targets).value(), options);
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_descriptors();
  Options options;
  CLI::App app(
      "Runs periodic jobs behind dependency gates, elects a leader through Redis and supervises its workers, "
      "and publishes the systemd journal to Redis.");
  describe(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? EX_OK : EX_USAGE;
  }
  return run(options);
}
