#include "io/uv_worker_host.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <map>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "core/runs.h"
#include "io/limited_runs.h"
#include "io/orphans.h"
#include "io/spawn.h"
#include "io/worker_pace.h"
#include "io/worker_program.h"
#include "io/worker_rpc.h"

namespace stargazer {
namespace {

// Of fd 3: read at most this much before the others have their turn.
constexpr std::size_t kReadBytesMax = 4096;

}  // namespace

class UvWorkerHost::Impl {
 public:
  Impl(uv_loop_t* loop, Options options, Callbacks callbacks);

  Status spawn(const SpawnRequest& request);
  void stop(RunId run, StopSignal signal, const std::string& why);
  void close_channel(RunId run);
  void extend_fuse(Instant fuse) { kept_.extend(fuse); }
  void answer(RunId run, const std::string& line);
  void offered(RunId run, KeepOffer offer);
  void end_warm() { warm_.end_all(); }
  void end_warm_of_lease() { warm_.end_of_lease(); }
  WarmCounts warm_counts() const;
  void native_ended(RunId run, const Status& status);
  void close();

 private:
  using Child = WorkerChild;

  WarmWorkers::Callbacks warm_callbacks();
  WorkerOutput::Callbacks output_callbacks();
  Child* child_of(RunId run);
  Child& add_child(const SpawnRequest& request);
  Status spawn_native(const SpawnRequest& request, const NativeJob& job);
  Status spawn_process_of(const SpawnRequest& request, const std::string& params);
  Result<SpawnedProcess> start(const SpawnRequest& request, const WorkerProgram& program);
  bool hand_over(const SpawnRequest& request);
  void assign(Child& child, const SpawnRequest& request, const std::string& params);
  void kill_all_of(const Child& child);
  void watch(Child& child, SpawnedProcess process);
  void on_exit(Child& child);
  void settle_unbegun(Child& child);
  void begin_again(Child& child);
  void settle_group(Child& child);
  bool in_dying_group(pid_t pid) const;
  void on_said(Child& child);
  void on_channel(Child& child);
  void settle_offer(Child& child);
  void post_if_closed(Child& child);
  void forget_if_over(Child& child);
  void on_sigchld();
  void sweep_orphans();

  uv_loop_t* loop_;
  Options options_;
  Callbacks callbacks_;
  std::map<std::uint64_t, Child> children_;  // by number
  std::map<RunId, Child*> busy_;             // those that have a run
  std::map<pid_t, Child*> leaders_;          // not yet reaped
  std::uint64_t last_number_ = 0;
  Orphans orphans_;
  KeptWorkers kept_;
  LimitedRuns limited_;
  WarmWorkers warm_;
  WorkerOutput output_;
  WorkerPace pace_;
  uv_signal_t sigchld_{};
  std::array<char, kReadBytesMax> buffer_{};
};

UvWorkerHost::Impl::Impl(uv_loop_t* loop, Options options, Callbacks callbacks)
    : loop_(loop),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      orphans_([this](pid_t pid) { return leaders_.contains(pid) || in_dying_group(pid); },
               [this] {
                 Orphans::GoingOn going_on;
                 for (const auto& [run, child] : busy_) {
                   if (child->pid != 0 && !child->leader_exited) going_on[child->started_for_text] = !child->kept;
                 }
                 return going_on;
               }),
      kept_(options_.keeper),
      limited_(loop, options_.limits,
               [this](RunId run) {
                 for (const auto& [pid, child] : leaders_) {
                   if (child->started_for == run) return kill_all_of(*child);
                 }
               }),
      warm_(loop, options_.warm_idle_max, warm_callbacks()),
      output_(loop, options_.line_bytes_max, output_callbacks()),
      pace_(loop, [this](std::uint64_t number) {
        const auto place = children_.find(number);
        if (place != children_.end() && place->second.channel_watch != nullptr) place->second.channel_watch->resume();
      }) {
  Orphans::adopt_from_now_on();
  uv_signal_init(loop, &sigchld_);
  sigchld_.data = this;
  uv_signal_start(
      &sigchld_, [](uv_signal_t* signal, int) { static_cast<Impl*>(signal->data)->on_sigchld(); }, SIGCHLD);
}

WarmWorkers::Callbacks UvWorkerHost::Impl::warm_callbacks() {
  return {.terminate = [](const Child& child) { signal_to(child.pid, SIGTERM); },
          .kill = [this](const Child& child) { kill_all_of(child); },
          .ended = [this](const WarmEnded& ended) { callbacks_.warm_ended(ended); }};
}

WorkerOutput::Callbacks UvWorkerHost::Impl::output_callbacks() {
  return {.line = [this](const OutputLine& line) { callbacks_.output(line); },
          .congested = [this] { return callbacks_.output_congested(); },
          .said = [this](Child& child) { on_said(child); },
          .ended = [this](Child& child) { post_if_closed(child); },
          .resumed = [this](Child& child) { settle_offer(child); }};
}

// Of a run that goes on; nullptr when its end has been told.
WorkerChild* UvWorkerHost::Impl::child_of(RunId run) {
  const auto place = busy_.find(run);
  return place == busy_.end() ? nullptr : place->second;
}

WorkerChild& UvWorkerHost::Impl::add_child(const SpawnRequest& request) {
  Child& child = children_[++last_number_];
  child.number = last_number_;
  child.run = child.started_for = request.run;
  child.name = request.name;
  child.run_id_text = child.started_for_text = request.run_id_text;
  child.epoch = request.epoch;
  if (request.warm != nullptr) {
    child.warm = *request.warm;
    child.warm_key = warm_key(*request.warm, request.name);
  }
  busy_[request.run] = &child;
  return child;
}

Status UvWorkerHost::Impl::spawn(const SpawnRequest& request) {
  if (const auto* native = std::get_if<NativeJob>(request.job)) return spawn_native(request, *native);
  SpawnRequest asked = request;
  if (!warm_.keeps()) asked.warm = nullptr;
  if (asked.warm != nullptr && hand_over(asked)) return {};
  return spawn_process_of(asked, callbacks_.run_params(asked));
}

Status UvWorkerHost::Impl::spawn_native(const SpawnRequest& request, const NativeJob& job) {
  if (Status started = callbacks_.start_native(request.run, job.name); !started.ok()) return started;
  add_child(request).native = true;
  return {};
}

Status UvWorkerHost::Impl::spawn_process_of(const SpawnRequest& request, const std::string& params) {
  const Result<WorkerProgram> program = program_of(request, options_);
  if (!program.ok()) return program.error();
  Result<SpawnedProcess> process = start(request, *program);
  if (!process.ok()) return process.error();
  Child& child = add_child(request);
  child.pid = process->pid;
  child.kept = request.fuse != kNever;
  leaders_[child.pid] = &child;
  watch(child, std::move(process).value());
  send_line(child, rpc_run(params));
  return {};
}

Result<SpawnedProcess> UvWorkerHost::Impl::start(const SpawnRequest& request, const WorkerProgram& program) {
  const std::vector<std::string> environment = environment_of(request, options_.node_id);
  if (request.limits != nullptr && request.limits->any())
    return limited_.spawn(request, program.argv, environment, program.directory, kept_);
  if (request.fuse != kNever) return kept_.spawn(program.argv, environment, program.directory, request.fuse);
  return spawn_process(program.argv, environment, program.directory);
}

// Whether a kept process has the run now.
bool UvWorkerHost::Impl::hand_over(const SpawnRequest& request) {
  std::string params;
  while (Child* child = warm_.take(request)) {
    if (params.empty()) params = callbacks_.run_params(request);
    assign(*child, request, params);
    if (send_line(*child, rpc_run(params, child->run_count))) {
      warm_.await_begin(*child);
      return true;
    }
    child->not_begun.reset();
    busy_.erase(request.run);
    warm_.let_leave(*child, WarmEnd::kDied);
  }
  return false;
}

void UvWorkerHost::Impl::assign(Child& child, const SpawnRequest& request, const std::string& params) {
  child.stage = Child::Stage::kBusy;
  child.run = request.run;
  child.run_id_text = request.run_id_text;
  child.name = request.name;
  ++child.run_count;
  child.stop_asked = child.said_more = false;
  child.offer.reset();
  child.not_begun = request;
  child.not_begun_params = params;
  busy_[request.run] = &child;
}

void UvWorkerHost::Impl::watch(Child& child, SpawnedProcess process) {
  child.exit_watch = Watch::start(loop_, std::move(process.pidfd), [this, &child] { on_exit(child); });
  child.channel_watch = Watch::start(loop_, std::move(process.channel), [this, &child] { on_channel(child); });
  child.requests = std::make_unique<LineSplitter>(kRpcLineBytesMax, [this, &child](std::string_view text, bool cut) {
    WorkerPace::line_came(child);
    if (child.offer) child.said_more = true;
    callbacks_.request(child.run, child.run_count, text, cut);
  });
  output_.watch(child, std::move(process.stdout_read), std::move(process.stderr_read));
}

void UvWorkerHost::Impl::stop(RunId run, StopSignal signal, const std::string& why) {
  Child* const child = child_of(run);
  if (child == nullptr || child->leader_exited) return;
  if (child->native) return callbacks_.stop_native(run);
  child->stop_asked = true;
  if (signal == StopSignal::kKill) return kill_all_of(*child);
  answer(run, rpc_stop(why));
  signal_to(child->pid, SIGTERM);
}

// REQUIRES: its leader is not reaped.
void UvWorkerHost::Impl::kill_all_of(const Child& child) {
  limited_.kill_group(child.started_for);
  signal_to(child.pid, SIGKILL);
}

void UvWorkerHost::Impl::on_exit(Child& child) {
  const auto pidfd = static_cast<id_t>(child.exit_watch->fd());
  siginfo_t info{};
  if (waitid(P_PIDFD, pidfd, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
  // The zombie keeps the group's number ours until it is reaped.
  kill(-child.pid, SIGKILL);
  kept_.ended(child.pid);
  rusage usage{};
  wait4(child.pid, nullptr, WNOHANG, &usage);
  child.limit = limited_.ended(child.started_for, usage);
  child.status = exit_status_of(info);
  child.leader_exited = true;
  leaders_.erase(child.pid);
  std::exchange(child.exit_watch, nullptr)->close();
  warm_.exited(child);
  if (child.stage == Child::Stage::kIdle) warm_.let_leave(child, WarmEnd::kDied);
  if (child.not_begun) settle_unbegun(child);
  settle_group(child);
}

// Until now it was not clear which of two processes tells the end of the run.
void UvWorkerHost::Impl::settle_unbegun(Child& child) {
  if (!child.stop_asked && !has_said_more(child)) return begin_again(child);
  child.not_begun.reset();
  if (child.channel_closed()) callbacks_.post(ChannelClosed{child.run});
}

void UvWorkerHost::Impl::begin_again(Child& child) {
  const SpawnRequest request = *std::exchange(child.not_begun, std::nullopt);
  child.stage = Child::Stage::kLeaving;
  busy_.erase(request.run);
  warm_.begins_again(child);
  const Status started = spawn_process_of(request, child.not_begun_params);
  if (started.ok()) return;
  const std::string why =
      "its warm worker ended before it began with the run, and no other could be started: " + started.error().message();
  callbacks_.post(RunReported{request.run, Outcome::kFailed, why, ""});
  callbacks_.post(Exited{request.run, {.code = 1, .signal = 0}, why, ""});
  callbacks_.post(ChannelClosed{request.run});
}

// The members of the group lost their parent and are now our children: reap them. While one is still dying, SIGCHLD
// brings us back here. A member that is there keeps the group's number from being used again.
void UvWorkerHost::Impl::settle_group(Child& child) {
  if (child.group_gone) return;
  const auto group = static_cast<id_t>(child.pid);
  siginfo_t info{};
  while (waitid(P_PGID, group, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
    if (info.si_pid == 0) {
      // Once more, for one that joined after the first time.
      kill(-child.pid, SIGKILL);
      return;
    }
    if (const auto leader = leaders_.find(info.si_pid); leader != leaders_.end()) {
      on_exit(*leader->second);  // another worker, which had moved to this group
    } else {
      waitid(P_PID, static_cast<id_t>(info.si_pid), &info, WEXITED | WNOHANG);
    }
    info = {};
  }
  child.group_gone = true;
  if (child.busy()) callbacks_.post(Exited{child.run, child.status, "", child.limit});
  sweep_orphans();
  forget_if_over(child);
}

bool UvWorkerHost::Impl::in_dying_group(pid_t pid) const {
  const pid_t group = getpgid(pid);
  return std::any_of(children_.begin(), children_.end(), [group](const auto& entry) {
    const Child& child = entry.second;
    return child.pid == group && child.leader_exited && !child.group_gone;
  });
}

void UvWorkerHost::Impl::on_sigchld() {
  std::vector<std::uint64_t> dying;
  for (const auto& [number, child] : children_) {
    if (child.leader_exited && !child.group_gone && !child.native) dying.push_back(number);
  }
  for (const std::uint64_t number : dying) settle_group(children_.at(number));
  sweep_orphans();
}

void UvWorkerHost::Impl::sweep_orphans() {
  const std::size_t killed = orphans_.sweep();
  kept_.tidy();
  limited_.tidy();
  if (killed > 0) callbacks_.orphans_killed(killed);
}

// It has written something, whatever it is.
void UvWorkerHost::Impl::on_said(Child& child) {
  if (child.stage == Child::Stage::kIdle) warm_.let_leave(child, WarmEnd::kSpoke);
  if (!child.not_begun) return;
  child.not_begun.reset();
  warm_.begun(child);
}

void UvWorkerHost::Impl::on_channel(Child& child) {
  // What is left when it has ended is not much, and its run waits for it.
  if (!child.leader_exited && pace_.holds_back(child)) return child.channel_watch->pause();
  const ssize_t count = read(child.channel_watch->fd(), buffer_.data(), buffer_.size());
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count > 0) {
    on_said(child);
    WorkerPace::bytes_came(child, static_cast<std::size_t>(count));
    if (child.busy()) child.requests->feed({buffer_.data(), static_cast<std::size_t>(count)});
    return settle_offer(child);
  }
  if (child.busy()) child.requests->finish();
  std::exchange(child.channel_watch, nullptr)->close();
  if (child.stage == Child::Stage::kIdle) warm_.let_leave(child, WarmEnd::kDied);
  post_if_closed(child);
}

void UvWorkerHost::Impl::answer(RunId run, const std::string& line) {
  if (Child* const child = child_of(run)) send_line(*child, line);
}

void UvWorkerHost::Impl::offered(RunId run, KeepOffer offer) {
  Child* const child = child_of(run);
  if (child != nullptr && child->warm) child->offer = offer;
}

// The run is over once all that it wrote has been read; its process is kept, or ended apart from it. One that goes on
// to end by itself is left to do so.
void UvWorkerHost::Impl::settle_offer(Child& child) {
  if (!child.busy() || !child.offer || child.leader_exited || child.channel_watch == nullptr) return;
  pollfd exited{child.exit_watch->fd(), POLLIN, 0};
  if (poll(&exited, 1, 0) != 0) return;
  const WorkerOutput::Drained drained = output_.drain(child);
  if (drained == WorkerOutput::Drained::kHeldBack) return;
  const RunId run = child.run;
  const int code = child.offer->skipped ? Runs::kSkippedExitCode : 0;
  busy_.erase(run);
  WarmFacts facts = warm_facts(child, drained == WorkerOutput::Drained::kEndless,
                               [this](pid_t pid) { return leaders_.contains(pid); });
  facts.limit_reached = !limited_.reached(child.started_for).empty();
  warm_.settle(child, facts);
  callbacks_.post(Exited{run, {.code = code, .signal = 0}, "", ""});
  callbacks_.post(ChannelClosed{run});
}

WarmCounts UvWorkerHost::Impl::warm_counts() const {
  const auto leaves = [](const auto& entry) { return entry.second.stage == Child::Stage::kLeaving; };
  const auto leaving = static_cast<std::size_t>(std::count_if(children_.begin(), children_.end(), leaves));
  return {warm_.idle_count(), leaving, warm_.tally()};
}

void UvWorkerHost::Impl::post_if_closed(Child& child) {
  if (!child.channel_closed()) return;
  if (child.busy() && !child.not_begun) callbacks_.post(ChannelClosed{child.run});
  forget_if_over(child);
}

void UvWorkerHost::Impl::close_channel(RunId run) {
  Child* const child = child_of(run);
  if (child == nullptr || child->native || child->channel_closed()) return;
  output_.give_up(*child);
  if (child->channel_watch != nullptr) std::exchange(child->channel_watch, nullptr)->close();
  post_if_closed(*child);
}

void UvWorkerHost::Impl::forget_if_over(Child& child) {
  if (!child.over()) return;
  if (child.busy()) busy_.erase(child.run);
  children_.erase(child.number);
}

void UvWorkerHost::Impl::native_ended(RunId run, const Status& status) {
  Child* const child = child_of(run);
  if (child == nullptr) return;
  busy_.erase(run);
  children_.erase(child->number);
  const ExitStatus exit{.code = status.ok() ? 0 : 1, .signal = 0};
  callbacks_.post(Exited{run, exit, status.ok() ? "" : status.error().message(), ""});
  callbacks_.post(ChannelClosed{run});
}

void UvWorkerHost::Impl::close() {
  for (auto& [number, child] : children_) {
    if (child.native) continue;
    if (!child.leader_exited) {
      kill(-child.pid, SIGKILL);
      kept_.ended(child.pid);
    }
    output_.give_up(child);
    if (child.channel_watch != nullptr) std::exchange(child.channel_watch, nullptr)->close();
    if (child.exit_watch != nullptr) std::exchange(child.exit_watch, nullptr)->close();
  }
  leaders_.clear();
  busy_.clear();
  children_.clear();
  limited_.close();
  warm_.close();
  output_.close();
  pace_.close();
  orphans_.kill_all();
  kept_.tidy();
  limited_.tidy();
  uv_close(reinterpret_cast<uv_handle_t*>(&sigchld_), nullptr);
}

UvWorkerHost::UvWorkerHost(uv_loop_t* loop, Options options, Callbacks callbacks)
    : impl_(std::make_unique<Impl>(loop, std::move(options), std::move(callbacks))) {}
UvWorkerHost::~UvWorkerHost() = default;
Status UvWorkerHost::spawn(const SpawnRequest& request) {
  return impl_->spawn(request);
}
void UvWorkerHost::stop(RunId run, StopSignal signal, const std::string& why) {
  impl_->stop(run, signal, why);
}
void UvWorkerHost::close_channel(RunId run) {
  impl_->close_channel(run);
}
void UvWorkerHost::extend_fuse(Instant fuse) {
  impl_->extend_fuse(fuse);
}
void UvWorkerHost::answer(RunId run, const std::string& line) {
  impl_->answer(run, line);
}
void UvWorkerHost::offered(RunId run, KeepOffer offer) {
  impl_->offered(run, offer);
}
void UvWorkerHost::end_warm() {
  impl_->end_warm();
}
void UvWorkerHost::end_warm_of_lease() {
  impl_->end_warm_of_lease();
}
WarmCounts UvWorkerHost::warm_counts() const {
  return impl_->warm_counts();
}
void UvWorkerHost::native_ended(RunId run, const Status& status) {
  impl_->native_ended(run, status);
}
void UvWorkerHost::close() {
  impl_->close();
}

}  // namespace stargazer
