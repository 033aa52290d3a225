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
#include "io/sentinel.h"

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
// them to closed. With sentinels the first three are gone through once for each sentinel that is asked, on its own
// stream, and once more for the master that it names.
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
  void go_through(const std::vector<LoginStep>& steps);
  void login_step_ended(const LoginStep& step, const Result<RedisValue>& reply);
  void sentinel_answered(const Result<RedisValue>& reply);
  bool try_next_sentinel(const Error& cause);
  void connect_elsewhere();
  void become_ready();
  Status send(const std::vector<std::string>& args, Pending pending);
  void received(std::string_view bytes);
  void take(RedisValue value);
  bool take_message(const RedisValue& value);
  void lose(const Error& cause);
  void refuse(RedisCallback callback, const std::string& cause);
  void call_refused();
  void retire_stream();
  void report(bool reachable, const std::string& cause);

  void wake_by(Nanoseconds when);
  void woken();
  void check_answers();
  void keep_alive();
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
  Nanoseconds ping_at_ = 0;           // kReady with a channel: of the next PING

  // Of an attempt with sentinels. While one is asked, found_ is empty.
  bool by_sentinels() const { return !target_.sentinels.empty(); }
  bool asking_sentinel() const { return by_sentinels() && !found_ && state_ != State::kWaiting; }
  std::size_t sentinel_ = 0;  // which one is asked
  std::size_t sentinels_tried_ = 0;
  bool sentinel_refused_ = false;  // to answer without credentials
  std::string sentinel_causes_;    // why those that were tried did not help
  std::optional<HostPort> found_;  // the master, as the last one says

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
      options_(std::move(options)),
      on_state_(std::move(on_state)),
      backoff_(options_.backoff_min, options_.backoff_max, options_.seed) {
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
  RedisTarget there = target_;
  if (by_sentinels()) {
    const HostPort& address = found_ ? *found_ : target_.sentinels[sentinel_];
    there.host = address.host;
    there.port = address.port;
  }
  stream_ = std::make_unique<RedisStream>(loop_, there, attempts_, std::move(callbacks));
  if (const Status status = stream_->start(); !status) lose(status.error());
}

void Redis::Impl::login() {
  state_ = State::kLoggingIn;
  go_through(asking_sentinel() ? sentinel_steps(target_, false) : login_steps(target_, options_.channel));
}

void Redis::Impl::go_through(const std::vector<LoginStep>& steps) {
  const std::uint64_t connection = connection_;
  for (const LoginStep& step : steps) {
    const RedisCallback ended = [this, step, connection](const Result<RedisValue>& reply) {
      if (connection == connection_ && state_ == State::kLoggingIn) login_step_ended(step, reply);
    };
    const Pending pending{step.args.front(), ended, options_.command_timeout, attempt_deadline_};
    if (const Status status = send(step.args, pending); !status) return lose(status.error());
  }
}

void Redis::Impl::login_step_ended(const LoginStep& step, const Result<RedisValue>& reply) {
  if (asking_sentinel() && step.args.front() != "AUTH") return sentinel_answered(reply);
  const std::string problem = login_problem(step, reply);
  if (!problem.empty()) return lose(Error(problem));
  if (pending_.empty() && !asking_sentinel()) become_ready();
}

void Redis::Impl::sentinel_answered(const Result<RedisValue>& reply) {
  const bool wants_credentials = !reply && reply.error().message().rfind("NOAUTH", 0) == 0;
  if (wants_credentials && !target_.password.empty() && !std::exchange(sentinel_refused_, true)) {
    return go_through(sentinel_steps(target_, true));
  }
  const auto master = master_answer(target_.master_name, reply);
  if (!master) return lose(master.error());
  found_ = *master;
  connect_elsewhere();
}

// False when all have been tried.
bool Redis::Impl::try_next_sentinel(const Error& cause) {
  sentinel_causes_ += (sentinel_causes_.empty() ? "sentinel " : "; sentinel ") + target_.sentinels[sentinel_].shown() +
                      ": " + cause.message();
  sentinel_ = (sentinel_ + 1) % target_.sentinels.size();
  if (++sentinels_tried_ >= target_.sentinels.size()) return false;
  connect_elsewhere();
  return true;
}

// Goes on with the attempt at the next address, without a pause.
void Redis::Impl::connect_elsewhere() {
  ++connection_;
  state_ = State::kWaiting;
  sentinel_refused_ = false;
  pending_.clear();
  retire_stream();
  attempt_at_ = uv_hrtime();
  wake_by(attempt_at_);
}

void Redis::Impl::become_ready() {
  state_ = State::kReady;
  ready_at_ = uv_hrtime();
  ping_at_ = after(options_.ping_every);
  cause_.clear();
  if (found_) target_.master->set(*found_);
  report(true, "");
}

void Redis::Impl::lose(const Error& cause) {
  const bool asking = asking_sentinel();
  if (asking && try_next_sentinel(cause)) return;
  // Only a connection that lasted is a success: a server that accepts a login and then fails must not be hammered.
  const auto lasting = static_cast<Nanoseconds>(options_.backoff_max.count());
  if (state_ == State::kReady && uv_hrtime() - ready_at_ >= lasting) backoff_.reset();
  ++connection_;
  state_ = State::kWaiting;
  cause_ = asking ? sentinel_causes_ : found_ ? cause.in(found_->shown()).message() : cause.message();
  found_.reset();
  sentinels_tried_ = 0;
  sentinel_causes_.clear();
  sentinel_refused_ = false;
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
  assert(!args.empty() && options_.channel.empty());
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
    keep_alive();
  }
}

// True when the value was a message, be it a good one or not.
bool Redis::Impl::take_message(const RedisValue& value) {
  const std::vector<RedisValue>& parts = value.elements;
  if (parts.empty() || parts[0].text != "message") return false;
  const bool is_text = parts.size() == 3 && parts[2].kind == RedisValue::Kind::kString;
  if (state_ == State::kReady && is_text && parts[1].text == options_.channel) {
    options_.on_message(parts[2].text);
  } else {
    lose(Error("protocol error: a message that nobody asked for"));
  }
  return true;
}

void Redis::Impl::take(RedisValue value) {
  if (!options_.channel.empty() && take_message(value)) return;
  if (pending_.empty()) {
    const bool is_error = value.kind == RedisValue::Kind::kError;
    return lose(Error(is_error ? "the server says: " + printable(value.text, kErrorReplyBytesMax)
                               : "protocol error: a reply that nobody asked for"));
  }
  const Pending answered = std::move(pending_.front());
  pending_.pop_front();
  if (value.kind != RedisValue::Kind::kError) return answered.callback(std::move(value));
  const Error error(printable(value.text, kErrorReplyBytesMax));
  const std::uint64_t connection = connection_;
  answered.callback(error);
  const bool still_ready = connection == connection_ && state_ == State::kReady;
  if (still_ready && by_sentinels() && is_refusal_of_no_master(error.message())) lose(error);
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
  if (first == pending_.end()) return keep_alive();
  if (uv_hrtime() < first->deadline) return wake_by(first->deadline);
  lose(Error("no answer to " + printable(first->name, 32) + " within " + approximate_duration(first->timeout)));
}

// Nothing else would tell that the peer of a connection which only listens is gone.
void Redis::Impl::keep_alive() {
  if (options_.channel.empty() || state_ != State::kReady) return;
  if (uv_hrtime() < ping_at_) return wake_by(ping_at_);
  ping_at_ = after(options_.ping_every);
  const Nanoseconds deadline = after(options_.command_timeout);
  const RedisCallback answered = [](const Result<RedisValue>&) {};
  if (const Status status = send({"PING"}, {"PING", answered, options_.command_timeout, deadline}); !status) {
    return lose(status.error());
  }
  wake_by(deadline);
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
    : impl_(std::make_unique<Impl>(loop, std::move(target), std::move(options), std::move(on_state))) {}

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
