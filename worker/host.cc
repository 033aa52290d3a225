#include "worker/host.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace stargazer::worker {
namespace {

std::string text_of(const char* text) {
  return text == nullptr ? "" : text;
}

Priority priority_of(int priority) {
  return static_cast<Priority>(std::clamp(priority, int{STARGAZER_LOG_ERROR}, int{STARGAZER_LOG_DEBUG}));
}

// As much of `text` as fits, whole characters, and a zero byte.
void copy_out(const std::string& text, char* to, size_t size) {
  if (to == nullptr || size == 0) return;
  size_t length = std::min(text.size(), size - 1);
  while (length < text.size() && length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80U) --length;
  std::memcpy(to, text.data(), length);
  to[length] = '\0';
}

}  // namespace

Host::Host(RunCall call, Channel& channel, Stop& stop) : call_(std::move(call)), channel_(channel), stop_(stop) {
  stargazer_host& table = table_;
  table = {.struct_size = sizeof(stargazer_host),
           .abi_version = STARGAZER_PLUGIN_ABI_VERSION,
           .attempt = call_.attempt,
           .task = call_.task.c_str(),
           .run_id = call_.run_id.c_str(),
           .timeout_s = call_.timeout_s,
           .deadline = call_.deadline,
           .epoch = call_.epoch,
           .params = call_.params.c_str(),
           .stop_fd = stop_.fd(),
           .stop_requested = &Host::stop_requested,
           .log = &Host::log,
           .event = &Host::event,
           .counter = &Host::counter,
           .progress = &Host::progress,
           .verify_lease = &Host::verify_lease,
           .lease_write = &Host::lease_write,
           .fail = &Host::fail,
           .skip = &Host::skip};
  table_.host = this;
}

RunAnswer Host::settle(int returned) const {
  const std::lock_guard lock(setting_);
  if (failed_) return failure_;
  if (returned == STARGAZER_FAILED) {
    return {Outcome::kFailed, "the job returned STARGAZER_FAILED and did not say why", ""};
  }
  if (returned != STARGAZER_OK && returned != STARGAZER_SKIPPED) {
    return {Outcome::kFailed, "the job returned " + std::to_string(returned) + ", which is no result of a run",
            "PluginError"};
  }
  if (skipped_) return skip_;
  return {returned == STARGAZER_SKIPPED ? Outcome::kSkipped : Outcome::kOk, "", ""};
}

int Host::say(const char* function, const Result<std::string>& line) {
  if (!line.ok()) return refuse(function, line.error().message());
  return channel_.send(call_.id, *line) ? STARGAZER_DONE : STARGAZER_GONE;
}

int Host::refuse(const char* function, const std::string& problem) {
  if (misused_.exchange(true)) return STARGAZER_INVALID;
  LogNote note;
  note.priority = Priority::kWarning;
  note.message = std::string("a call of the plugin was refused: ") + function + ": " + problem;
  channel_.send(call_.id, log_line(note));
  return STARGAZER_INVALID;
}

int Host::ask(const char* function, const std::string& method, const std::vector<std::string>& params,
              std::string& text) {
  const Result<std::optional<RpcReply>> reply = channel_.request(call_.id, method, params);
  if (!reply.ok()) {
    text = reply.error().message();
    return refuse(function, text);
  }
  if (!*reply) {
    text = "the scheduler is gone";
    return STARGAZER_GONE;
  }
  text = (*reply)->text;
  const int code = code_of(**reply);
  return code == STARGAZER_INVALID ? refuse(function, text) : code;
}

int Host::code_of(const RpcReply& reply) const {
  if (reply.code == 0) return STARGAZER_DONE;
  switch (static_cast<RpcError>(reply.code)) {
    // The daemon has one answer for both.
    case RpcError::kNotLeader: return call_.of_lease ? STARGAZER_NOT_LEADER : STARGAZER_NO_LEASE;
    case RpcError::kLeaseExpired: return STARGAZER_LEASE_EXPIRED;
    case RpcError::kLeaseLost: return STARGAZER_LEASE_LOST;
    case RpcError::kFenced: return STARGAZER_FENCED;
    case RpcError::kInvalidParams: return STARGAZER_INVALID;
    default: return STARGAZER_UNAVAILABLE;
  }
}

int Host::stop_requested(const stargazer_host* table) {
  return host_of(table).stop_.asked() ? 1 : 0;
}

int Host::log(const stargazer_host* table, int priority, const char* message) {
  LogNote note;
  note.priority = priority_of(priority);
  note.message = text_of(message);
  return host_of(table).say("log", log_line(note));
}

int Host::event(const stargazer_host* table, const stargazer_event* event) {
  Host& host = host_of(table);
  if (event->struct_size < sizeof(stargazer_event)) {
    return host.refuse("event", "struct_size is " + std::to_string(event->struct_size) + ", not that of its struct");
  }
  EventNote note;
  note.event_type = text_of(event->event_type);
  note.source = text_of(event->source);
  note.phase = text_of(event->phase);
  note.status = text_of(event->status);
  note.preview = text_of(event->preview);
  note.payload = text_of(event->payload);
  note.duration_ms = event->duration_ms;
  return host.say("event", event_line(note));
}

int Host::counter(const stargazer_host* table, const char* name, double value) {
  return host_of(table).say("counter", counter_line({text_of(name), value}));
}

int Host::progress(const stargazer_host* table, double done, double total, const char* message) {
  return host_of(table).say("progress", progress_line({done, total, text_of(message)}));
}

int Host::verify_lease(const stargazer_host* table, char* message, size_t message_size) {
  std::string text;
  const int code = host_of(table).ask("verify_lease", "lease.verify", {}, text);
  copy_out(code == STARGAZER_DONE ? "" : text, message, message_size);
  return code;
}

int Host::lease_write(const stargazer_host* table, size_t argument_count, const char* const* arguments, char* answer,
                      size_t answer_size) {
  Host& host = host_of(table);
  std::vector<std::string> params;
  std::string text;
  int code = STARGAZER_DONE;
  for (size_t place = 0; place < argument_count && code == STARGAZER_DONE; ++place) {
    if (arguments[place] != nullptr) {
      params.emplace_back(arguments[place]);
    } else {
      text = "argument " + std::to_string(place) + " is null";
      code = host.refuse("lease_write", text);
    }
  }
  if (code == STARGAZER_DONE) code = host.ask("lease_write", "lease.write", params, text);
  copy_out(text, answer, answer_size);
  return code;
}

int Host::fail(const stargazer_host* table, const char* kind, const char* message) {
  Host& host = host_of(table);
  const std::lock_guard lock(host.setting_);
  host.failed_ = true;
  host.failure_ = {Outcome::kFailed, text_of(message), text_of(kind)};
  return STARGAZER_FAILED;
}

int Host::skip(const stargazer_host* table, const char* message) {
  Host& host = host_of(table);
  const std::lock_guard lock(host.setting_);
  host.skipped_ = true;
  host.skip_ = {Outcome::kSkipped, text_of(message), ""};
  return STARGAZER_SKIPPED;
}

}  // namespace stargazer::worker
