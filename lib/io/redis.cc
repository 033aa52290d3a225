#include "io/redis.h"

#include <algorithm>
#include <cassert>
#include <deque>
#include <optional>
#include <utility>

#include "io/backoff.h"
#include "io/printable.h"
#include "io/redis_login.h"
#include "io/redis_reply.h"
#include "io/redis_stream.h"

namespace stargazer {
namespace {

// Commands that the kernel has not taken yet; beyond it a command fails at once.
constexpr std::size_t kUnsentBytesMax = std::size_t{16} << 20U;
constexpr std::size_t kErrorReplyBytesMax = 1024;

// A moment on libuv's high-resolution clock, which unlike uv_now() moves inside a callback.
using Nanoseconds = std::uint64_t;

Nanoseconds after(Duration pause) {
  return uv_hrtime() + static_cast<Nanoseconds>(pause.count());
}

}  // namespace

// waiting -> connecting -> logging in -> ready, from each of the last three back to waiting by lose(), and from any of
// them to closed.
class Redis::Impl {
 public:
  Impl(uv_loop_t* loop, RedisTarget target, Options options, StateCallback on_state);
  ~Impl() { assert(handles_ == 0 && retiring_ == 0); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void command(const std::vector<std::string>& args, RedisCallback callback, Duration timeout);
  bool ready() const { return state_ == State::kReady; }
  const RedisTarget& target() const { return target_; }
  void close(std::function<void()> on_closed);

 private:
  enum class State : std::uint8_t { kWaiting, kConnecting, kLoggingIn, kReady, kClosed };

  struct Pending {
    std::string name;
    RedisCallback callback;
    Duration timeout{};
    Nanoseconds deadline = 0;
  };
  struct Refused {
    RedisCallback callback;
    Error error;
  };

  void begin();
  void login();
  void login_step_ended(const LoginStep& step, const Result<RedisValue>& reply);
  void become_ready();
  Status send(const std::vector<std::string>& args, Pending pending);
  void received(std::string_view bytes);
  void take(RedisValue value);
  void lose(const Error& cause);
  void refuse(RedisCallback callback, const std::string& cause);
  void call_refused();
  void retire_stream();
  void report(bool reachable, const std::string& cause);

  void wake_by(Nanoseconds when);
  void woken();
  void check_answers();
  void handle_closed();
  void finish_close();

  uv_loop_t* loop_;
  RedisTarget target_;
  Options options_;
  StateCallback on_state_;
  Backoff backoff_;

  State state_ = State::kWaiting;
  std::optional<bool> reported_;
  std::string reported_cause_;
  std::string cause_ = "connecting";  // why it is not ready
  std::size_t attempts_ = 0;
  Nanoseconds attempt_at_ = 0;        // kWaiting: of the next attempt
  Nanoseconds attempt_deadline_ = 0;  // kConnecting and kLoggingIn
  Nanoseconds ready_at_ = 0;          // kReady: since then

  std::unique_ptr<RedisStream> stream_;
  std::unique_ptr<RedisReplyReader> reader_;
  std::uint64_t connection_ = 0;  // counts connections, so that a loop notices when a callback ended its own
  int retiring_ = 0;              // streams of which the loop still holds something
  std::deque<Pending> pending_;   // sent, in order; not answered
  std::vector<Refused> refused_;  // fail in the next turn of the loop, because command() may not call back
  std::optional<Error> broken_;   // a write failed: lose the connection in the next turn

  uv_timer_t timer_{};
  Nanoseconds wake_at_ = 0;  // 0: the timer is not running
  uv_idle_t next_turn_{};    // active only while there is something to call back
  int handles_ = 2;
  std::function<void()> on_closed_;
};

Redis::Impl::Impl(uv_loop_t* loop, RedisTarget target, Options options, StateCallback on_state)
    : loop_(loop),
      target_(std::move(target)),
      options_(options),
      on_state_(std::move(on_state)),
      backoff_(options.backoff_min, options.backoff_max, options.seed) {
  assert(options_.command_timeout > Duration::zero());
  uv_timer_init(loop_, &timer_);
  uv_idle_init(loop_, &next_turn_);
  timer_.data = this;
  next_turn_.data = this;
  wake_by(uv_hrtime());
}

// ---- The connection -------------------------------------------------------------------------------------------------

void Redis::Impl::begin() {
  // A name lookup cannot be interrupted. Waiting for the last one keeps a dead name server from collecting them.
  if (retiring_ > 0) return;
  ++connection_;
  ++attempts_;
  state_ = State::kConnecting;
  attempt_deadline_ = after(options_.command_timeout);
  wake_by(attempt_deadline_);
  reader_ = std::make_unique<RedisReplyReader>();
  RedisStream::Callbacks callbacks{[this] { login(); }, [this](std::string_view bytes) { received(bytes); },
                                   [this](const Error& error) { lose(error); }};
  stream_ = std::make_unique<RedisStream>(loop_, target_, attempts_, std::move(callbacks));
  if (const Status status = stream_->start(); !status) lose(status.error());
}

void Redis::Impl::login() {
  state_ = State::kLoggingIn;
  const std::uint64_t connection = connection_;
  for (const LoginStep& step : login_steps(target_)) {
    const RedisCallback ended = [this, step, connection](const Result<RedisValue>& reply) {
      if (connection == connection_ && state_ == State::kLoggingIn) login_step_ended(step, reply);
    };
    const Pending pending{step.args.front(), ended, options_.command_timeout, attempt_deadline_};
    if (const Status status = send(step.args, pending); !status) return lose(status.error());
  }
}

void Redis::Impl::login_step_ended(const LoginStep& step, const Result<RedisValue>& reply) {
  if (!reply) {
    const std::string refusal = explain_login_error(step, reply.error().message());
    if (!refusal.empty()) return lose(Error(refusal));
  }
  if (pending_.empty()) become_ready();
}

void Redis::Impl::become_ready() {
  state_ = State::kReady;
  ready_at_ = uv_hrtime();
  cause_.clear();
  report(true, "");
}

void Redis::Impl::lose(const Error& cause) {
  // Only a connection that lasted is a success: a server that accepts a login and then fails must not be hammered.
  const auto lasting = static_cast<Nanoseconds>(options_.backoff_max.count());
  if (state_ == State::kReady && uv_hrtime() - ready_at_ >= lasting) backoff_.reset();
  ++connection_;
  state_ = State::kWaiting;
  cause_ = cause.message();
  retire_stream();
  broken_.reset();
  attempt_at_ = after(backoff_.next());
  wake_by(attempt_at_);

  const Error shown = Error(cause_).in(target_.shown());
  for (Pending& pending : std::exchange(pending_, {})) {
    if (state_ == State::kClosed) return;
    pending.callback(shown);
  }
  report(false, shown.message() + "; trying again at intervals of up to " + format_duration(options_.backoff_max));
}

void Redis::Impl::retire_stream() {
  if (stream_ == nullptr) return;
  ++retiring_;
  RedisStream::retire(std::move(stream_), [this] {
    --retiring_;
    if (state_ == State::kClosed) return finish_close();
    if (state_ == State::kWaiting) wake_by(std::max(attempt_at_, uv_hrtime()));
  });
}

void Redis::Impl::report(bool reachable, const std::string& cause) {
  if (state_ == State::kClosed || (reported_ == reachable && reported_cause_ == cause)) return;
  reported_ = reachable;
  reported_cause_ = cause;
  if (on_state_) on_state_(reachable, cause);
}

// ---- Commands and replies -------------------------------------------------------------------------------------------

void Redis::Impl::command(const std::vector<std::string>& args, RedisCallback callback, Duration timeout) {
  assert(!args.empty());
  if (state_ == State::kClosed) return;
  if (state_ != State::kReady) return refuse(std::move(callback), "not connected: " + cause_);
  if (pending_.size() >= options_.in_flight_max) {
    return refuse(std::move(callback), std::to_string(pending_.size()) + " commands wait for an answer already");
  }
  if (stream_->unsent_bytes() > kUnsentBytesMax) {
    return refuse(std::move(callback), "the server is not reading: 16 MiB of commands are unsent");
  }
  if (timeout == Duration::zero()) timeout = options_.command_timeout;
  const Nanoseconds deadline = after(timeout);
  const Status status = send(args, Pending{args.front(), std::move(callback), timeout, deadline});
  if (status) return wake_by(deadline);
  broken_ = status.error();
  uv_idle_start(&next_turn_, [](uv_idle_t* idle) { static_cast<Impl*>(idle->data)->call_refused(); });
}

// On failure the command is pending all the same: lose(), which the caller owes, is what fails it.
Status Redis::Impl::send(const std::vector<std::string>& args, Pending pending) {
  pending_.push_back(std::move(pending));
  auto bytes = format_redis_command(args);
  if (!bytes) return bytes.error();
  return stream_->write(std::move(bytes).value());
}

void Redis::Impl::refuse(RedisCallback callback, const std::string& cause) {
  refused_.push_back({std::move(callback), Error(target_.shown() + ": " + cause)});
  uv_idle_start(&next_turn_, [](uv_idle_t* idle) { static_cast<Impl*>(idle->data)->call_refused(); });
}

void Redis::Impl::call_refused() {
  uv_idle_stop(&next_turn_);
  if (const auto broken = std::exchange(broken_, std::nullopt)) lose(*broken);
  for (Refused& refused : std::exchange(refused_, {})) {
    if (state_ == State::kClosed) return;
    refused.callback(refused.error);
  }
}

void Redis::Impl::received(std::string_view bytes) {
  const std::uint64_t connection = connection_;
  if (const Status status = reader_->feed(bytes); !status) return lose(status.error());
  while (connection == connection_) {
    auto reply = reader_->next();
    if (!reply) return lose(reply.error());
    if (!reply->has_value()) break;
    take(std::move(**reply));
  }
  if (connection == connection_ && pending_.empty()) {
    uv_timer_stop(&timer_);
    wake_at_ = 0;
  }
}

void Redis::Impl::take(RedisValue value) {
  if (pending_.empty()) {
    const bool is_error = value.kind == RedisValue::Kind::kError;
    return lose(Error(is_error ? "the server says: " + printable(value.text, kErrorReplyBytesMax)
                               : "protocol error: a reply that nobody asked for"));
  }
  const Pending answered = std::move(pending_.front());
  pending_.pop_front();
  if (value.kind == RedisValue::Kind::kError) {
    answered.callback(Error(printable(value.text, kErrorReplyBytesMax)));
  } else {
    answered.callback(std::move(value));
  }
}

// ---- Time -----------------------------------------------------------------------------------------------------------

// The timer runs only while an attempt is due or something is pending, so that an idle connection wakes nobody.
void Redis::Impl::wake_by(Nanoseconds when) {
  if (wake_at_ != 0 && wake_at_ <= when) return;
  constexpr Nanoseconds kNanosecondsPerMillisecond = 1'000'000;
  const Nanoseconds now = uv_hrtime();
  const Nanoseconds pause = when > now ? when - now : 0;
  wake_at_ = when;
  const auto expired = [](uv_timer_t* timer) {
    auto* impl = static_cast<Impl*>(timer->data);
    impl->wake_at_ = 0;
    impl->woken();
  };
  uv_timer_start(&timer_, expired, (pause + kNanosecondsPerMillisecond - 1) / kNanosecondsPerMillisecond, 0);
}

void Redis::Impl::woken() {
  const Nanoseconds now = uv_hrtime();
  switch (state_) {
    case State::kWaiting: return now >= attempt_at_ ? begin() : wake_by(attempt_at_);
    case State::kConnecting:
      if (now < attempt_deadline_) return wake_by(attempt_deadline_);
      return lose(Error("no connection within " + approximate_duration(options_.command_timeout)));
    case State::kLoggingIn:
    case State::kReady: return check_answers();
    case State::kClosed: return;
  }
}

void Redis::Impl::check_answers() {
  const auto earlier = [](const Pending& left, const Pending& right) { return left.deadline < right.deadline; };
  const auto first = std::min_element(pending_.begin(), pending_.end(), earlier);
  if (first == pending_.end()) return;
  if (uv_hrtime() < first->deadline) return wake_by(first->deadline);
  lose(Error("no answer to " + printable(first->name, 32) + " within " + approximate_duration(first->timeout)));
}

// ---- The end --------------------------------------------------------------------------------------------------------

void Redis::Impl::close(std::function<void()> on_closed) {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  ++connection_;
  on_closed_ = std::move(on_closed);
  pending_.clear();
  refused_.clear();
  const auto closed = [](uv_handle_t* handle) { static_cast<Impl*>(handle->data)->handle_closed(); };
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&next_turn_), closed);
  retire_stream();
}

void Redis::Impl::handle_closed() {
  --handles_;
  finish_close();
}

void Redis::Impl::finish_close() {
  if (handles_ > 0 || retiring_ > 0) return;
  // A copy on the stack: the callback may destroy this object.
  const std::function<void()> on_closed = std::move(on_closed_);
  if (on_closed) on_closed();
}

// ---- The contract ---------------------------------------------------------------------------------------------------

Redis::Redis(uv_loop_t* loop, RedisTarget target, Options options, StateCallback on_state)
    : impl_(std::make_unique<Impl>(loop, std::move(target), options, std::move(on_state))) {}

Redis::~Redis() = default;

void Redis::command(const std::vector<std::string>& args, RedisCallback callback, Duration timeout) {
  impl_->command(args, std::move(callback), timeout);
}

bool Redis::reachable() const {
  return impl_->ready();
}

const RedisTarget& Redis::target() const {
  return impl_->target();
}

void Redis::close(std::function<void()> on_closed) {
  impl_->close(std::move(on_closed));
}

}  // namespace stargazer
