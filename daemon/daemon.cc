#include "daemon/daemon.h"

#include <csignal>
#include <malloc.h>
#include <optional>
#include <set>
#include <utility>

#include <uv.h>

#include "core/counters.h"
#include "core/supervisor.h"
#include "daemon/feed_job.h"
#include "daemon/job_obstacle.h"
#include "daemon/node_identity.h"
#include "daemon/python_bridge.h"
#include "daemon/redis_connections.h"
#include "daemon/run_limits.h"
#include "daemon/run_params.h"
#include "daemon/worker_channel.h"
#include "daemon/worker_requests.h"
#include "io/event_log.h"
#include "io/fence.h"
#include "io/lease_memory.h"
#include "io/notify.h"
#include "io/plugin_files.h"
#include "io/run_memory.h"
#include "io/uv_clock.h"
#include "io/uv_worker_host.h"

namespace stargazer {
namespace {

constexpr std::uint64_t kKgProbePeriodMs = 10'000;
// After the core has stopped: how long the last events may take to reach Redis.
constexpr std::uint64_t kFlushDeadlineMs = 1'000;

}  // namespace

class Daemon::Impl {
 public:
  Impl(Config config, RedisTargets targets, Log& log)
      : config_(std::move(config)), targets_(std::move(targets)), log_(log), node_id_(node_id(config_.node)) {}

  Status run();

 private:
  Status open_loop();
  void open_memory();
  void open_lease_memory();
  void open_redis();
  void open_kg();
  void open_host();
  void open_requests();
  void open_channel();
  void open_supervisor();
  void start();
  void post(Input input);
  void drive();
  void handle(const Event& event);
  void count(const Event& event);
  void publish(const Event& event);
  void publish_counter(const Event& event);
  void publish_for(RunId run, DebugEvent event);
  void show_status();
  bool settled() const;
  void begin_close();
  void close_all();
  void on_signal(int number);
  void probe_kg();
  void set_reachable(Dependency dependency, bool reachable, const std::string& cause);
  void say(Priority priority, std::string message);

  Config config_;  // without its tasks, once the registry has them
  const RedisTargets targets_;
  Log& log_;
  const std::string node_id_;
  const std::string run_id_prefix_ = hex(random_number(), 12);

  uv_loop_t loop_{};
  uv_prepare_t before_poll_{};
  uv_check_t after_poll_{};
  uv_signal_t sigterm_{};
  uv_signal_t sigint_{};
  uv_timer_t flush_deadline_{};
  uv_timer_t kg_probe_{};
  std::unique_ptr<UvClock> clock_;
  std::optional<Notify> notify_;
  std::unique_ptr<RunMemory> memory_;
  std::unique_ptr<LeaseMemoryFile> lease_memory_;
  LeaseMemory known_lease_;
  RunMemory::LastEnds last_ends_;
  std::unique_ptr<RedisConnections> redis_;
  std::unique_ptr<Redis> kg_redis_;
  std::unique_ptr<FeedJob> feed_;
  std::unique_ptr<UvWorkerHost> host_;
  std::unique_ptr<WorkerRequests> requests_;
  std::optional<RunParams> run_params_;
  std::unique_ptr<WorkerChannel> channel_;
  std::set<std::string> persisted_tasks_;
  std::unique_ptr<Supervisor> supervisor_;

  bool step_wanted_ = false;
  bool closing_ = false;
  bool closed_ = false;
  Counters counters_;
  std::uint64_t runs_ = 0;
  std::uint64_t failures_ = 0;
  std::uint64_t workers_ = 0;
};

Status Daemon::Impl::run() {
  if (Status opened = open_loop(); !opened.ok()) return opened;
  open_memory();
  open_redis();
  open_host();
  open_requests();
  open_channel();
  open_supervisor();
  open_kg();
  start();
  uv_run(&loop_, UV_RUN_DEFAULT);
  uv_loop_close(&loop_);
  return {};
}

Status Daemon::Impl::open_loop() {
  std::signal(SIGPIPE, SIG_IGN);
  if (const int error = uv_loop_init(&loop_); error != 0)
    return Error(std::string("event loop: ") + uv_strerror(error));
  Result<std::unique_ptr<UvClock>> clock = UvClock::create(&loop_, [this] { step_wanted_ = true; });
  if (!clock.ok()) return clock.error();
  clock_ = std::move(clock).value();

  // What is posted from a timer must be acted on before the loop waits; what arrives while it waits, right after.
  uv_prepare_init(&loop_, &before_poll_);
  before_poll_.data = this;
  uv_prepare_start(&before_poll_, [](uv_prepare_t* handle) { static_cast<Impl*>(handle->data)->drive(); });
  uv_check_init(&loop_, &after_poll_);
  after_poll_.data = this;
  uv_check_start(&after_poll_, [](uv_check_t* handle) { static_cast<Impl*>(handle->data)->drive(); });

  for (const auto& [handle, number] : {std::pair{&sigterm_, SIGTERM}, std::pair{&sigint_, SIGINT}}) {
    uv_signal_init(&loop_, handle);
    handle->data = this;
    const auto on_signal = [](uv_signal_t* signal, int got) { static_cast<Impl*>(signal->data)->on_signal(got); };
    if (uv_signal_start(handle, on_signal, number) != 0) return Error("signal handlers cannot be installed");
  }
  uv_timer_init(&loop_, &flush_deadline_);
  flush_deadline_.data = this;
  uv_timer_init(&loop_, &kg_probe_);
  kg_probe_.data = this;
  notify_.emplace(&loop_, [this] { return supervisor_ == nullptr || !supervisor_->lease_overdue(); });
  return {};
}

void Daemon::Impl::open_memory() {
  const std::string& state_dir = config_.node.state_dir;
  if (Status writable = RunMemory::check_writable(state_dir); !writable.ok()) {
    say(Priority::kWarning, "node.state_dir cannot be written: " + writable.error().message() +
                                "; the daemon runs, but will not remember last ends across a restart");
  }
  Result<RunMemory::LastEnds> known = RunMemory::load(state_dir);
  if (known.ok()) {
    last_ends_ = std::move(known).value();
  } else {
    say(Priority::kWarning,
        "the remembered last ends cannot be used: " + known.error().message() +
            "; a damaged file is kept beside it as .damaged, and tasks run after their initial delay");
  }
  memory_ = std::make_unique<RunMemory>(&loop_, state_dir, last_ends_, [this](const std::string& problem) {
    say(problem.empty() ? Priority::kNotice : Priority::kWarning,
        problem.empty() ? "last ends are remembered again"
                        : "last ends cannot be remembered: " + problem + "; tried again at the next one");
  });
}

void Daemon::Impl::open_lease_memory() {
  Result<LeaseMemory> known = LeaseMemoryFile::load(config_.node.state_dir);
  if (known.ok()) {
    known_lease_ = std::move(known).value();
  } else {
    say(Priority::kWarning, "what is remembered of the lease cannot be used: " + known.error().message() +
                                "; a damaged file is kept beside it as .damaged");
  }
  lease_memory_ = std::make_unique<LeaseMemoryFile>(
      &loop_, config_.node.state_dir, known_lease_, [this](const std::string& problem) {
        say(problem.empty() ? Priority::kNotice : Priority::kWarning,
            problem.empty()
                ? "the lease is remembered again"
                : "the lease cannot be remembered: " + problem + "; the next start will have to wait longer");
      });
}

void Daemon::Impl::open_redis() {
  if (!targets_.main) return;
  open_lease_memory();
  RedisConnections::Callbacks callbacks;
  callbacks.post = [this](Input input) { post(std::move(input)); };
  callbacks.reachable = [this](bool reachable, const std::string& cause) {
    set_reachable(Dependency::kRedis, reachable, cause);
    if (!targets_.kg && config_.kg) set_reachable(Dependency::kKg, reachable, cause);
  };
  callbacks.say = [this](Priority priority, std::string message) { say(priority, std::move(message)); };
  redis_ = std::make_unique<RedisConnections>(
      &loop_, *targets_.main, config_,
      RedisConnections::Options{node_id_, node_id_ + "-" + run_id_prefix_, random_number()}, std::move(callbacks));
}

void Daemon::Impl::open_kg() {
  if (!targets_.kg) {
    if (config_.kg && !config_.redis) {
      set_reachable(Dependency::kKg, false, "kg.url is empty and [redis] is not configured");
    }
    return;
  }
  Redis::Options options;
  options.seed = random_number();
  if (config_.redis) options.command_timeout = config_.redis->command_timeout;
  kg_redis_ = std::make_unique<Redis>(&loop_, *targets_.kg, options, [this](bool reachable, const std::string& cause) {
    set_reachable(Dependency::kKg, reachable, cause);
  });
  // A server that hangs is noticed only by asking it.
  uv_timer_start(
      &kg_probe_, [](uv_timer_t* timer) { static_cast<Impl*>(timer->data)->probe_kg(); }, kKgProbePeriodMs,
      kKgProbePeriodMs);
}

void Daemon::Impl::probe_kg() {
  if (kg_redis_->reachable()) kg_redis_->command({"PING"}, [](const Result<RedisValue>&) {});
}

void Daemon::Impl::open_host() {
  if (targets_.main) {
    FeedJob::Callbacks callbacks;
    callbacks.log = [this](LogRecord record) { log_.write(std::move(record)); };
    callbacks.ended = [this](RunId run, const Status& status) { host_->native_ended(run, status); };
    callbacks.lag_changed = [this] { show_status(); };
    const std::string position_file = config_.feed.keep_position ? config_.node.state_dir + "/feed.cursor" : "";
    feed_ = std::make_unique<FeedJob>(&loop_, config_.feed, *targets_.main, position_file, std::move(callbacks));
  }
  UvWorkerHost::Callbacks callbacks;
  callbacks.post = [this](Input input) { post(std::move(input)); };
  callbacks.output = [this](const OutputLine& line) { channel_->output(line); };
  callbacks.run_params = [this](const SpawnRequest& request) { return run_params_->json(request, clock_->wall_now()); };
  callbacks.request = [this](RunId run, std::uint32_t request_id, std::string_view line, bool cut) {
    channel_->take(run, line, cut, request_id);
  };
  callbacks.output_congested = [this] { return log_.congested(); };
  callbacks.start_native = [this](RunId run, const std::string&) {
    return feed_ == nullptr ? Status(Error("the journal feed needs [redis]")) : feed_->start(run);
  };
  callbacks.stop_native = [this](RunId run) { feed_->stop(run); };
  callbacks.orphans_killed = [this](std::size_t count) {
    say(Priority::kWarning, "killed " + std::to_string(count) + " process(es) that had outlived their run");
  };
  callbacks.warm_ended = [this](const WarmEnded& ended) {
    say(is_planned(ended.why) ? Priority::kDebug : Priority::kWarning, warm_end_line(ended));
  };
  UvWorkerHost::Options options;
  options.warm_idle_max = config_.scheduler.max_warm_workers;
  options.line_bytes_max = config_.scheduler.output_line_bytes_max;
  options.node_id = node_id_;
  if (python_obstacle(config_).empty()) {
    options.python_argv = python_argv(*config_.python);
    options.python_directory = config_.python->root;
  }
  options.plugin_argv = [](const PluginJob& job) { return plugin_argv(job); };
  const bool keeps = targets_.main && has_workers_of_the_lease(config_);
  if (keeps || has_limits(config_)) options.keeper = find_keeper();
  if (keeps) say(options.keeper.path.empty() ? Priority::kWarning : Priority::kNotice, keeper_line(options.keeper));
  options.limits =
      set_up_limits_of(config_, options.keeper, [this](Priority p, std::string m) { say(p, std::move(m)); });
  host_ = std::make_unique<UvWorkerHost>(&loop_, std::move(options), std::move(callbacks));
}

void Daemon::Impl::open_requests() {
  WorkerRequests::Callbacks callbacks;
  callbacks.leader = [this] { return supervisor_->leader(); };
  callbacks.epoch_of = [this](RunId run) { return supervisor_->epoch_of(run); };
  callbacks.answer = [this](RunId run, const std::string& line) { host_->answer(run, line); };
  requests_ = std::make_unique<WorkerRequests>(
      redis_ == nullptr ? nullptr : &redis_->main(), redis_ == nullptr ? nullptr : &redis_->store(),
      WorkerRequests::Options{config_.lease.key, node_id_}, std::move(callbacks));
  run_params_.emplace(config_, node_id_);
  if (run_params_->flags_left_out())
    say(Priority::kWarning, "[flags] is so large that workers are not told of it; Python jobs see no flags");
}

void Daemon::Impl::open_channel() {
  WorkerChannel::Callbacks callbacks;
  callbacks.log = [this](LogRecord record) { log_.write(std::move(record)); };
  callbacks.log_congested = [this] { return log_.congested(); };
  callbacks.publish = [this](RunId run, DebugEvent event) { publish_for(run, std::move(event)); };
  callbacks.events_congested = [this] {
    return redis_ != nullptr && redis_->events().waiting_count() > config_.events.queue_max / 2;
  };
  callbacks.post = [this](Input input) { post(std::move(input)); };
  callbacks.answer = [this](RunId run, const std::string& line) { host_->answer(run, line); };
  callbacks.offered = [this](RunId run, KeepOffer offer) { host_->offered(run, offer); };
  callbacks.request = [this](RunId run, const RpcRequest& request) { return requests_->take(run, request); };
  callbacks.run_id_text = [this](RunId run) { return supervisor_->run_id_text(run); };
  callbacks.now = [this] { return clock_->refresh(), clock_->now(); };  // a flood of output takes no step
  channel_ = std::make_unique<WorkerChannel>(
      std::move(callbacks), LineBudget(config_.scheduler.output_lines_per_s_max, config_.scheduler.output_lines_burst));
}

void Daemon::Impl::publish_for(RunId run, DebugEvent event) {
  if (redis_ == nullptr) return;
  event.timestamp = clock_->wall_now();
  event.node_id = node_id_;
  event.run_id = supervisor_->run_id_text(run);
  const std::uint64_t epoch = supervisor_->epoch_of(run);
  redis_->events().publish(std::move(event),
                           epoch == 0 ? std::nullopt : std::optional(Fence{config_.lease.key, node_id_, epoch}));
}

void Daemon::Impl::open_supervisor() {
  Registry registry = build_registry(config_, [this](const Job& job) { return job_obstacle(config_, job); });
  say(Priority::kInfo, "node " + node_id_ + ": " + scheduled_line(registry));
  if (const std::string line = chat_llm_line(registry); !line.empty()) say(Priority::kInfo, line);
  for (const PlannedTask& task : registry.tasks) {
    if (!task.scheduled) say(Priority::kDebug, task.config.name + ": not scheduled: " + task.reason);
    if (task.config.persist) persisted_tasks_.insert(task.config.name);
  }
  // The registry has them now, and a hundred thousand tasks need not be kept twice.
  config_.tasks = {};
  config_.supervised = {};
  SupervisorOptions options;
  options.seed = random_number();
  options.run_id_prefix = run_id_prefix_;
  options.last_ends = std::move(last_ends_);
  options.last_ends_are_shared = redis_ != nullptr;
  options.lease_memory = known_lease_;
  LeaseStore* store = redis_ == nullptr ? nullptr : &redis_->store();
  supervisor_ = std::make_unique<Supervisor>(config_, std::move(registry), *clock_, store, *host_, std::move(options));
  malloc_trim(0);  // what reading the files took, several times the configuration itself, goes back to the system
}

void Daemon::Impl::start() {
  clock_->refresh();
  supervisor_->start();
  step_wanted_ = true;
  notify_->ready();
  show_status();
  // A stop that was asked for meanwhile comes now (scheduler_main.cc holds it back until here).
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_UNBLOCK, &stop, nullptr);
}

void Daemon::Impl::post(Input input) {
  supervisor_->post(std::move(input));
  step_wanted_ = true;
}

void Daemon::Impl::set_reachable(Dependency dependency, bool reachable, const std::string& cause) {
  post(DependencyChanged{dependency, reachable, cause});
}

void Daemon::Impl::drive() {
  if (closing_ && settled()) close_all();
  if (!std::exchange(step_wanted_, false) || closing_) return;
  clock_->refresh();
  supervisor_->step();
  const std::vector<Event> events = supervisor_->take_events();
  for (const Event& event : events) handle(event);
  if (!events.empty()) show_status();
  if (lease_memory_ != nullptr) lease_memory_->store(supervisor_->lease_memory());
  if (supervisor_->stopped()) begin_close();
}

void Daemon::Impl::handle(const Event& event) {
  const std::string run_id = event.run.number == 0 ? "" : supervisor_->run_id_text(event.run);
  log_.write(log_record(event, run_id));
  if (event.kind == EventKind::kRunStarted || event.kind == EventKind::kWorkerStarted)
    channel_->started(event.run, event.task);
  count(event);
  if (event.kind == EventKind::kStopping) notify_->stopping();
  if (event.kind == EventKind::kLeaseLost) host_->end_warm_of_lease();
  if (redis_ != nullptr && event.kind == EventKind::kLeaseGained) redis_->last_ends().term_began();
  if (redis_ != nullptr && event.kind == EventKind::kLeaseLost) redis_->last_ends().term_ended();
  if (event.kind == EventKind::kRunEnded || event.kind == EventKind::kWorkerEnded) channel_->ended(event.run);
  if (event.kind == EventKind::kRunEnded) publish(event);
  if (redis_ != nullptr) publish_counter(event);
}

void Daemon::Impl::count(const Event& event) {
  const bool ended = event.kind == EventKind::kRunEnded || event.kind == EventKind::kWorkerEnded;
  if (event.kind == EventKind::kRunStarted) ++runs_;
  if (event.kind == EventKind::kWorkerStarted) ++workers_;
  if (event.kind == EventKind::kWorkerEnded) --workers_;
  if (ended && event.outcome != Outcome::kOk && event.outcome != Outcome::kSkipped &&
      event.outcome != Outcome::kCancelled) {
    ++failures_;
  }
}

void Daemon::Impl::publish(const Event& event) {
  const WallTime now = clock_->wall_now();
  const bool is_last_end = event.outcome != Outcome::kCancelled && event.delay == Duration::zero();
  if (is_last_end && persisted_tasks_.contains(event.task)) memory_->record(event.task, now);
  if (redis_ == nullptr) return;
  std::optional<Fence> fence;
  if (event.epoch != 0) {
    fence = Fence{config_.lease.key, node_id_, event.epoch};
    if (is_last_end) redis_->last_ends().record(event.task, now, event.epoch);
  }
  if (std::optional<DebugEvent> told = task_run_event(event, supervisor_->run_id_text(event.run), node_id_, now)) {
    redis_->events().publish(std::move(*told), std::move(fence));
  }
  redis_->warn_of_lost_events();
}

// What a node counted is true whoever leads by now, so it has no fence.
void Daemon::Impl::publish_counter(const Event& event) {
  const std::optional<Counted> counted = counters_.count(event);
  if (!counted) return;
  redis_->events().publish(counter_event(*counted, supervisor_->run_id_text(event.run), node_id_, clock_->wall_now()));
}

void Daemon::Impl::show_status() {
  std::string text = supervisor_->leader() ? "leader" : "follower";
  text += ", " + std::to_string(supervisor_->worker_count()) + " running (" + std::to_string(workers_) +
          " supervised), " + std::to_string(runs_) + " runs so far, " + std::to_string(failures_) + " failed";
  if (const std::size_t idle = host_->warm_counts().idle; idle > 0) text += "; " + std::to_string(idle) + " kept warm";
  if (redis_ != nullptr && !redis_->reachable()) text += "; redis is unreachable";
  const std::uint64_t dropped = redis_ == nullptr ? 0 : redis_->events().dropped_count();
  if (dropped > 0) text += "; " + std::to_string(dropped) + " events dropped";
  const std::string lag = feed_ == nullptr ? "" : feed_->lag_text();
  if (!lag.empty()) text += "; feed " + lag;
  notify_->status(text);
}

// What is kept and has no run goes first, so that nothing of it is left when the lease is released.
void Daemon::Impl::on_signal(int number) {
  host_->end_warm();
  post(StopRequested{number == SIGTERM ? "SIGTERM" : "SIGINT"});
}

bool Daemon::Impl::settled() const {
  return (redis_ == nullptr || redis_->events_settled()) && host_->warm_counts().leaving == 0;
}

// The core has stopped. What it told last is on its way to Redis, and workers that were kept are on their way out; give
// them a moment, then let everything go.
void Daemon::Impl::begin_close() {
  closing_ = true;
  if (const std::string line = warm_tally_line(host_->warm_counts().tally); !line.empty()) say(Priority::kInfo, line);
  if (settled()) {
    close_all();
    return;
  }
  uv_timer_start(
      &flush_deadline_, [](uv_timer_t* timer) { static_cast<Impl*>(timer->data)->close_all(); }, kFlushDeadlineMs, 0);
}

void Daemon::Impl::close_all() {
  if (std::exchange(closed_, true)) return;
  host_->close();
  if (feed_ != nullptr) feed_->close();
  if (redis_ != nullptr) redis_->close();
  if (kg_redis_ != nullptr) kg_redis_->close([] {});
  clock_->close();
  notify_->close();
  for (uv_handle_t* handle :
       {reinterpret_cast<uv_handle_t*>(&before_poll_), reinterpret_cast<uv_handle_t*>(&after_poll_),
        reinterpret_cast<uv_handle_t*>(&sigterm_), reinterpret_cast<uv_handle_t*>(&sigint_),
        reinterpret_cast<uv_handle_t*>(&flush_deadline_), reinterpret_cast<uv_handle_t*>(&kg_probe_)}) {
    uv_close(handle, nullptr);
  }
}

void Daemon::Impl::say(Priority priority, std::string message) {
  log_.write({priority, std::move(message), {}});
}

Daemon::Daemon(Config config, RedisTargets targets, Log& log)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(targets), log)) {}
Daemon::~Daemon() = default;
Status Daemon::run() {
  return impl_->run();
}

}  // namespace stargazer
