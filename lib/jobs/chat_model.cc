#include "jobs/chat_model.h"

#include <algorithm>
#include <chrono>
#include <poll.h>

#include "io/printable.h"
#include "jobs/json_text.h"

namespace stargazer::jobs {
namespace {

constexpr std::size_t kShownBytesMax = 200;  // of what a server says of an error

constexpr long kOk = 200;
constexpr long kUnauthorized = 401;
constexpr long kForbidden = 403;
constexpr long kNotFound = 404;
constexpr long kRequestTimeout = 408;
constexpr long kTooManyRequests = 429;
constexpr long kServerError = 500;

// What an endpoint says of an error: {"error": {"message": …}}, or its first bytes.
std::string said_of_error(const std::string& body) {
  const auto json = parse_json(body);
  const Json* error = json ? member_of(*json, "error") : nullptr;
  std::string message = error != nullptr && error->is_string() ? error->get<std::string>() : "";
  if (error != nullptr && message.empty()) message = text_member(*error, "message");
  return message.empty() ? body : message;
}

std::string without_slash(std::string url) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

}  // namespace

Result<std::string> answer_of(std::string_view body) {
  const auto json = parse_json(body);
  if (!json) return Error("the answer is no JSON");
  const Json* choices = member_of(*json, "choices");
  if (choices == nullptr || !choices->is_array() || choices->empty()) return Error("the answer has no choices");
  const Json* message = member_of((*choices)[0], "message");
  const Json* content = message == nullptr ? nullptr : member_of(*message, "content");
  if (content == nullptr || !content->is_string()) return Error("the answer has no text");
  auto text = content->get<std::string>();
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return Error("the answer is empty");
  return text;
}

ChatModel::ChatModel(ChatOptions options, JobHost& host) : options_(std::move(options)), host_(host) {}

HttpPost ChatModel::request(const std::string& instructions, const std::string& text) const {
  HttpPost request;
  request.url = without_slash(options_.base_url) + "/chat/completions";
  if (!options_.api_key.empty()) request.headers.push_back("Authorization: Bearer " + options_.api_key);
  request.body = dump_json({{"model", options_.model},
                            {"temperature", options_.temperature},
                            {"max_tokens", options_.max_tokens},
                            {"messages", Json::array({{{"role", "system"}, {"content", instructions}},
                                                      {{"role", "user"}, {"content", text}}})}});
  request.connect_timeout = options_.connect_timeout;
  request.timeout = options_.timeout;
  request.response_bytes_max = static_cast<std::size_t>(options_.response_bytes_max);
  return request;
}

std::string ChatModel::without_key(std::string text) const {
  for (std::size_t at = 0; !options_.api_key.empty() && (at = text.find(options_.api_key, at)) != std::string::npos;) {
    text.replace(at, options_.api_key.size(), "[key]");
  }
  return text;
}

ChatModel::Try ChatModel::judge(const HttpAnswer& answer) const {
  const long status = answer.status;
  if (status != kOk) {
    const std::string said = printable(without_key(said_of_error(answer.body)), kShownBytesMax);
    return {.problem = "HTTP " + std::to_string(status) + (said.empty() ? "" : ": " + said),
            .may_retry = status == kRequestTimeout || status == kTooManyRequests || status >= kServerError,
            .is_final = status == kUnauthorized || status == kForbidden || status == kNotFound,
            .retry_after = answer.retry_after};
  }
  auto text = answer_of(answer.body);
  if (!text) return {.problem = text.error().message(), .may_retry = true};
  return {.text = std::move(text).value()};
}

ChatModel::Try ChatModel::try_once(const HttpPost& request) {
  ++asked_count_;
  const auto answer = post(request, [this] { return host_.stop_requested(); });
  if (!answer) return {.problem = answer.error().message(), .may_retry = true};
  return judge(*answer);
}

bool ChatModel::pause(Duration duration) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::ceil<std::chrono::milliseconds>(duration);
  while (!host_.stop_requested()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() <= 0) return true;
    pollfd polled{host_.stop_fd(), POLLIN, 0};
    poll(&polled, host_.stop_fd() < 0 ? 0 : 1, static_cast<int>(std::min<std::int64_t>(left.count(), 1000)));
  }
  return false;
}

ChatModel::Answer ChatModel::ask(const std::string& instructions, const std::string& text) {
  const HttpPost question = request(instructions, text);
  Duration backoff = options_.backoff_min;
  for (std::int64_t number = 1;; ++number) {
    Try tried = try_once(question);
    if (tried.problem.empty()) return {std::move(tried.text), {}};
    if (host_.stop_requested()) return {"", {"stopped by request", true, true}};
    if (!tried.may_retry) return {"", {tried.problem, tried.is_final, false}};
    if (number >= options_.tries_max) {
      return {"", {tried.problem + ", after " + std::to_string(number) + " tries", false, false}};
    }
    const Duration wait = std::min(tried.retry_after.value_or(backoff), options_.backoff_max);
    host_.log(LogLevel::kDebug, tried.problem + "; the next try in " + format_duration(wait));
    if (!pause(wait)) return {"", {"stopped by request", true, true}};
    backoff = std::min(backoff * 2, options_.backoff_max);
  }
}

}  // namespace stargazer::jobs
