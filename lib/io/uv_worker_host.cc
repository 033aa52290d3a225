#include "io/uv_worker_host.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <csignal>
#include <map>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "io/limited_runs.h"
#include "io/line_splitter.h"
#include "io/log.h"
#include "io/orphans.h"
#include "io/spawn.h"
#include "io/worker_rpc.h"

namespace stargazer {
namespace {

// Read at most this much from one worker before the others have their turn. However short its lines are, the log has
// room for them all if it was not congested before.
constexpr std::size_t kReadBytesMax = 4096;
static_assert(kReadBytesMax <= Log::kQueueMax / 2);
// What is not read for now is looked at again after this long.
constexpr std::uint64_t kPauseMs = 20;
// So much may a worker say on its fd 3 in this time, each line and each KiB counted as one. More waits in its socket,
// and then in the worker: whatever it does, what we spend on it is bounded.
constexpr std::uint64_t kSayingsPerWindow = 1000;
constexpr std::uint64_t kWindowMs = 100;

// Beside the two of OutputStream: its fd 3.
constexpr std::size_t kChannelStream = 2;

// How much a worker has said lately.
struct Pace {
  std::uint64_t window = 0;   // number of the current one
  std::uint64_t sayings = 0;  // counted in it, with what was too much for those before

  bool exceeded(std::uint64_t now_ms) {
    const std::uint64_t passed = now_ms / kWindowMs - window;
    window += passed;
    sayings -= std::min(sayings, passed * kSayingsPerWindow);
    return sayings >= kSayingsPerWindow;
  }
};

// A descriptor that is watched for reading. Owns both; frees itself once libuv has let go of the handle.
class Watch {
 public:
  using Callback = std::function<void()>;

  static Watch* start(uv_loop_t* loop, UniqueFd fd, Callback on_readable) {
    auto* watch = new Watch(std::move(fd), std::move(on_readable));
    uv_poll_init(loop, &watch->poll_, watch->fd_.get());
    watch->poll_.data = watch;
    watch->resume();
    return watch;
  }

  int fd() const { return fd_.get(); }
  void pause() { uv_poll_stop(&poll_); }
  void resume() {
    uv_poll_start(&poll_, UV_READABLE, [](uv_poll_t* poll, int status, int) {
      auto* watch = static_cast<Watch*>(poll->data);
      // A socket whose other end was closed with something unread in it is in error, and libuv stops to watch it. What
      // was written before is still to be read; the error comes after it, and ends the reading.
      if (status < 0) watch->resume();
      watch->ready_();
    });
  }
  // The last call. The callback does not run any more; the object is gone soon.
  void close() {
    uv_poll_stop(&poll_);
    fd_.reset();
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_),
             [](uv_handle_t* handle) { delete static_cast<Watch*>(handle->data); });
  }

 private:
  Watch(UniqueFd fd, Callback on_readable) : fd_(std::move(fd)), ready_(std::move(on_readable)) {}
  ~Watch() = default;

  UniqueFd fd_;
  Callback ready_;
  uv_poll_t poll_{};
};

struct Child {
  RunId run;
  std::string run_id_text;
  std::string name;
  bool native = false;
  pid_t pid = 0;
  Watch* exit_watch = nullptr;
  Watch* channel_watch = nullptr;
  std::array<Watch*, 2> output_watch{};  // by OutputStream
  std::array<std::unique_ptr<LineSplitter>, 2> lines;
  std::unique_ptr<LineSplitter> requests;  // what it writes to its fd 3
  Pace pace;                               // likewise
  bool deaf = false;                       // does not read its fd 3, and is sent nothing more
  bool kept = false;                       // its keeper adopts what it leaves behind
  bool leader_exited = false;              // reaped; what is left of its group has been killed
  bool exit_posted = false;
  ExitStatus status;
  std::string limit;  // that it reached

  // Null once it is closed.
  Watch* watch_of(std::size_t stream) const {
    return stream < output_watch.size() ? output_watch[stream] : channel_watch;
  }
  bool channel_closed() const {
    return channel_watch == nullptr && output_watch[0] == nullptr && output_watch[1] == nullptr;
  }
};

ExitStatus exit_status(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return {.code = info.si_status, .signal = 0};
  return {.code = 0, .signal = info.si_status};
}

// A worker may have moved to another group of our session.
void signal_to(pid_t leader, int number) {
  kill(-leader, number);
  if (getpgid(leader) != leader) kill(leader, number);
}

}  // namespace

class UvWorkerHost::Impl {
 public:
  Impl(uv_loop_t* loop, Options options, Callbacks callbacks);

  Status spawn(const SpawnRequest& request);
  void stop(RunId run, StopSignal signal, const std::string& why);
  void close_channel(RunId run);
  void extend_fuse(Instant fuse) { kept_.extend(fuse); }
  void answer(RunId run, const std::string& line);
  void native_ended(RunId run, const Status& status);
  void close();

 private:
  Status spawn_native(const SpawnRequest& request, const NativeJob& job);
  Status spawn_process_of(const SpawnRequest& request, const std::vector<std::string>& argv,
                          const std::string& directory);
  Result<SpawnedProcess> start(const SpawnRequest& request, const std::vector<std::string>& argv,
                               const std::string& directory);
  void kill_all_of(const Child& child);
  std::vector<std::string> environment_of(const SpawnRequest& request) const;
  void watch(Child& child, SpawnedProcess process);
  void on_exit(RunId run);
  void settle_group(Child& child);
  bool in_dying_group(pid_t pid) const;
  void on_output(RunId run, OutputStream stream);
  void on_channel(RunId run);
  void end_output(Child& child, OutputStream stream);
  void post_if_closed(Child& child);
  void forget_if_over(RunId run);
  void on_sigchld();
  void sweep_orphans();
  void pause(const Child& child, std::size_t stream);
  void resume_paused();

  uv_loop_t* loop_;
  Options options_;
  Callbacks callbacks_;
  std::map<RunId, Child> children_;
  std::map<pid_t, RunId> leaders_;  // not yet reaped
  Orphans orphans_;
  KeptWorkers kept_;
  LimitedRuns limited_;
  uv_signal_t sigchld_{};
  uv_timer_t pause_timer_{};
  std::vector<std::pair<RunId, std::size_t>> paused_;
  std::array<char, kReadBytesMax> buffer_{};
};

UvWorkerHost::Impl::Impl(uv_loop_t* loop, Options options, Callbacks callbacks)
    : loop_(loop),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      orphans_([this](pid_t pid) { return leaders_.contains(pid) || in_dying_group(pid); },
               [this] {
                 Orphans::GoingOn going_on;
                 for (const auto& [run, child] : children_) {
                   if (!child.native && !child.leader_exited) going_on[child.run_id_text] = !child.kept;
                 }
                 return going_on;
               }),
      kept_(options_.keeper),
      limited_(loop, options_.limits, [this](RunId run) { kill_all_of(children_.at(run)); }) {
  Orphans::adopt_from_now_on();
  uv_timer_init(loop, &pause_timer_);
  pause_timer_.data = this;
  uv_signal_init(loop, &sigchld_);
  sigchld_.data = this;
  uv_signal_start(
      &sigchld_, [](uv_signal_t* signal, int) { static_cast<Impl*>(signal->data)->on_sigchld(); }, SIGCHLD);
}

Status UvWorkerHost::Impl::spawn(const SpawnRequest& request) {
  if (const auto* native = std::get_if<NativeJob>(request.job)) return spawn_native(request, *native);
  if (const auto* command = std::get_if<CommandJob>(request.job)) {
    return spawn_process_of(request, command->argv, *request.working_directory);
  }
  if (std::holds_alternative<PythonJob>(*request.job) && !options_.python_argv.empty()) {
    const bool own = !request.working_directory->empty();
    return spawn_process_of(request, options_.python_argv,
                            own ? *request.working_directory : options_.python_directory);
  }
  if (const auto* plugin = std::get_if<PluginJob>(request.job); plugin != nullptr && options_.plugin_argv) {
    Result<std::vector<std::string>> argv = options_.plugin_argv(*plugin);
    return argv.ok() ? spawn_process_of(request, *argv, *request.working_directory) : argv.error();
  }
  return Error(std::string(kind_of(*request.job)) + " jobs cannot be run by this version");
}

Status UvWorkerHost::Impl::spawn_native(const SpawnRequest& request, const NativeJob& job) {
  if (Status started = callbacks_.start_native(request.run, job.name); !started.ok()) return started;
  Child& child = children_[request.run];
  child.run = request.run;
  child.name = request.name;
  child.run_id_text = request.run_id_text;
  child.native = true;
  return {};
}

std::vector<std::string> UvWorkerHost::Impl::environment_of(const SpawnRequest& request) const {
  Environment added = *request.environment;
  added["STARGAZER_TASK"] = request.name;
  added["STARGAZER_RUN_ID"] = request.run_id_text;
  added["STARGAZER_ATTEMPT"] = std::to_string(request.attempt);
  added["STARGAZER_NODE_ID"] = options_.node_id;
  if (request.epoch != 0) added["STARGAZER_EPOCH"] = std::to_string(request.epoch);
  added["STARGAZER_FD"] = std::string("3");  // GCC 12 warns of a plain "3" without cause
  return worker_environment(added);
}

Status UvWorkerHost::Impl::spawn_process_of(const SpawnRequest& request, const std::vector<std::string>& argv,
                                            const std::string& directory) {
  Result<SpawnedProcess> process = start(request, argv, directory);
  if (!process.ok()) return process.error();
  Child& child = children_[request.run];
  child.run = request.run;
  child.name = request.name;
  child.run_id_text = request.run_id_text;
  child.pid = process->pid;
  child.kept = request.fuse != kNever;
  leaders_[child.pid] = child.run;
  watch(child, std::move(process).value());
  answer(child.run, rpc_run(callbacks_.run_params(request)));
  return {};
}

Result<SpawnedProcess> UvWorkerHost::Impl::start(const SpawnRequest& request, const std::vector<std::string>& argv,
                                                 const std::string& directory) {
  const std::vector<std::string> environment = environment_of(request);
  if (request.limits != nullptr && request.limits->any())
    return limited_.spawn(request, argv, environment, directory, kept_);
  if (request.fuse != kNever) return kept_.spawn(argv, environment, directory, request.fuse);
  return spawn_process(argv, environment, directory);
}

void UvWorkerHost::Impl::watch(Child& child, SpawnedProcess process) {
  const RunId run = child.run;
  child.exit_watch = Watch::start(loop_, std::move(process.pidfd), [this, run] { on_exit(run); });
  child.channel_watch = Watch::start(loop_, std::move(process.channel), [this, run] { on_channel(run); });
  child.requests = std::make_unique<LineSplitter>(kRpcLineBytesMax, [this, &child](std::string_view text, bool cut) {
    ++child.pace.sayings;
    callbacks_.request(child.run, text, cut);
  });
  std::array<UniqueFd*, 2> ends{&process.stdout_read, &process.stderr_read};
  for (const OutputStream stream : {OutputStream::kStdout, OutputStream::kStderr}) {
    const auto place = static_cast<std::size_t>(stream);
    // The child outlives its splitters, and a map's elements do not move.
    child.lines[place] = std::make_unique<LineSplitter>(
        options_.line_bytes_max, [this, &child, stream](std::string_view text, bool cut) {
          callbacks_.output({child.run, child.run_id_text, child.name, stream, text, cut});
        });
    child.output_watch[place] =
        Watch::start(loop_, std::move(*ends[place]), [this, run, stream] { on_output(run, stream); });
  }
}

void UvWorkerHost::Impl::stop(RunId run, StopSignal signal, const std::string& why) {
  const auto place = children_.find(run);
  if (place == children_.end() || place->second.leader_exited) return;
  if (place->second.native) {
    callbacks_.stop_native(run);
  } else {
    if (signal == StopSignal::kKill) return kill_all_of(place->second);
    answer(run, rpc_stop(why));
    signal_to(place->second.pid, SIGTERM);
  }
}

// REQUIRES: its leader is not reaped.
void UvWorkerHost::Impl::kill_all_of(const Child& child) {
  limited_.kill_group(child.run);
  signal_to(child.pid, SIGKILL);
}

void UvWorkerHost::Impl::on_exit(RunId run) {
  Child& child = children_.at(run);
  const auto pidfd = static_cast<id_t>(child.exit_watch->fd());
  siginfo_t info{};
  if (waitid(P_PIDFD, pidfd, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
  // The zombie keeps the group's number ours until it is reaped.
  kill(-child.pid, SIGKILL);
  kept_.ended(child.pid);
  rusage usage{};
  wait4(child.pid, nullptr, WNOHANG, &usage);
  child.limit = limited_.ended(run, usage);
  child.status = exit_status(info);
  child.leader_exited = true;
  leaders_.erase(child.pid);
  std::exchange(child.exit_watch, nullptr)->close();
  settle_group(child);
}

// The members of the group lost their parent and are now our children: reap them. While one is still dying, SIGCHLD
// brings us back here. A member that is there keeps the group's number from being used again.
void UvWorkerHost::Impl::settle_group(Child& child) {
  if (child.exit_posted) return;
  const auto group = static_cast<id_t>(child.pid);
  siginfo_t info{};
  while (waitid(P_PGID, group, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
    if (info.si_pid == 0) {
      // Once more, for one that joined after the first time.
      kill(-child.pid, SIGKILL);
      return;
    }
    if (const auto leader = leaders_.find(info.si_pid); leader != leaders_.end()) {
      on_exit(leader->second);  // another worker, which had moved to this group
    } else {
      waitid(P_PID, static_cast<id_t>(info.si_pid), &info, WEXITED | WNOHANG);
    }
    info = {};
  }
  child.exit_posted = true;
  callbacks_.post(Exited{child.run, child.status, "", child.limit});
  sweep_orphans();
  forget_if_over(child.run);
}

bool UvWorkerHost::Impl::in_dying_group(pid_t pid) const {
  const pid_t group = getpgid(pid);
  return std::any_of(children_.begin(), children_.end(), [group](const auto& entry) {
    const Child& child = entry.second;
    return child.pid == group && child.leader_exited && !child.exit_posted;
  });
}

void UvWorkerHost::Impl::on_sigchld() {
  std::vector<RunId> dying;
  for (const auto& [run, child] : children_) {
    if (child.leader_exited && !child.exit_posted && !child.native) dying.push_back(run);
  }
  for (const RunId run : dying) settle_group(children_.at(run));
  sweep_orphans();
}

void UvWorkerHost::Impl::sweep_orphans() {
  const std::size_t killed = orphans_.sweep();
  kept_.tidy();
  limited_.tidy();
  if (killed > 0) callbacks_.orphans_killed(killed);
}

void UvWorkerHost::Impl::on_output(RunId run, OutputStream stream) {
  Child& child = children_.at(run);
  const auto place = static_cast<std::size_t>(stream);
  if (callbacks_.output_congested()) return pause(child, place);
  const ssize_t count = read(child.output_watch[place]->fd(), buffer_.data(), buffer_.size());
  if (count > 0) {
    child.lines[place]->feed({buffer_.data(), static_cast<std::size_t>(count)});
  } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
    end_output(child, stream);
  }
}

void UvWorkerHost::Impl::pause(const Child& child, std::size_t stream) {
  child.watch_of(stream)->pause();
  paused_.emplace_back(child.run, stream);
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&pause_timer_)) != 0) return;
  uv_timer_start(
      &pause_timer_, [](uv_timer_t* timer) { static_cast<Impl*>(timer->data)->resume_paused(); }, kPauseMs, 0);
}

void UvWorkerHost::Impl::resume_paused() {
  for (const auto& [run, stream] : std::exchange(paused_, {})) {
    const auto place = children_.find(run);
    if (place == children_.end()) continue;
    if (Watch* watch = place->second.watch_of(stream)) watch->resume();
  }
}

void UvWorkerHost::Impl::end_output(Child& child, OutputStream stream) {
  const auto place = static_cast<std::size_t>(stream);
  if (child.output_watch[place] == nullptr) return;
  child.lines[place]->finish();
  std::exchange(child.output_watch[place], nullptr)->close();
  post_if_closed(child);
}

void UvWorkerHost::Impl::on_channel(RunId run) {
  Child& child = children_.at(run);
  // What is left when it has ended is not much, and its run waits for it.
  if (!child.leader_exited && child.pace.exceeded(uv_now(loop_))) return pause(child, kChannelStream);
  const ssize_t count = read(child.channel_watch->fd(), buffer_.data(), buffer_.size());
  if (count > 0) {
    child.pace.sayings += static_cast<std::uint64_t>(count) / 1024;
    child.requests->feed({buffer_.data(), static_cast<std::size_t>(count)});
  }
  if (count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR))) return;
  child.requests->finish();
  std::exchange(child.channel_watch, nullptr)->close();
  post_if_closed(child);
}

// An answer that does not fit into the socket is for a worker that does not read: it is told by the end of its fd 3,
// for after half a line nothing more could be understood.
void UvWorkerHost::Impl::answer(RunId run, const std::string& line) {
  const auto place = children_.find(run);
  if (place == children_.end() || place->second.channel_watch == nullptr || place->second.deaf) return;
  const int channel = place->second.channel_watch->fd();
  const std::string text = line + "\n";
  const ssize_t sent = send(channel, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent == static_cast<ssize_t>(text.size())) return;
  place->second.deaf = true;
  shutdown(channel, SHUT_WR);
}

void UvWorkerHost::Impl::post_if_closed(Child& child) {
  if (!child.channel_closed()) return;
  callbacks_.post(ChannelClosed{child.run});
  forget_if_over(child.run);
}

void UvWorkerHost::Impl::close_channel(RunId run) {
  const auto place = children_.find(run);
  if (place == children_.end() || place->second.native || place->second.channel_closed()) return;
  Child& child = place->second;
  for (std::size_t stream = 0; stream < child.output_watch.size(); ++stream) {
    if (child.output_watch[stream] == nullptr) continue;
    child.lines[stream]->finish();
    std::exchange(child.output_watch[stream], nullptr)->close();
  }
  if (child.channel_watch != nullptr) std::exchange(child.channel_watch, nullptr)->close();
  post_if_closed(child);
}

void UvWorkerHost::Impl::forget_if_over(RunId run) {
  const auto place = children_.find(run);
  if (place->second.exit_posted && place->second.channel_closed()) children_.erase(place);
}

void UvWorkerHost::Impl::native_ended(RunId run, const Status& status) {
  const auto place = children_.find(run);
  if (place == children_.end()) return;
  children_.erase(place);
  const ExitStatus exit{.code = status.ok() ? 0 : 1, .signal = 0};
  callbacks_.post(Exited{run, exit, status.ok() ? "" : status.error().message(), ""});
  callbacks_.post(ChannelClosed{run});
}

void UvWorkerHost::Impl::close() {
  for (auto& [run, child] : children_) {
    if (child.native) continue;
    if (!child.leader_exited) {
      kill(-child.pid, SIGKILL);
      kept_.ended(child.pid);
    }
    for (Watch*& output : child.output_watch) {
      if (output != nullptr) std::exchange(output, nullptr)->close();
    }
    if (child.channel_watch != nullptr) std::exchange(child.channel_watch, nullptr)->close();
    if (child.exit_watch != nullptr) std::exchange(child.exit_watch, nullptr)->close();
  }
  leaders_.clear();
  children_.clear();
  limited_.close();
  orphans_.kill_all();
  kept_.tidy();
  limited_.tidy();
  uv_close(reinterpret_cast<uv_handle_t*>(&sigchld_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&pause_timer_), nullptr);
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
void UvWorkerHost::native_ended(RunId run, const Status& status) {
  impl_->native_ended(run, status);
}
void UvWorkerHost::close() {
  impl_->close();
}

}  // namespace stargazer
