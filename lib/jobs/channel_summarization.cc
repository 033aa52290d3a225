#include "jobs/channel_summarization.h"

#include <algorithm>

#include "jobs/active_channels.h"
#include "jobs/moment.h"
#include "jobs/settings.h"
#include "jobs/setup.h"
#include "jobs/summary.h"

namespace stargazer::jobs {
namespace {

constexpr const char* kSource = "channel_summarizer";
constexpr std::size_t kPreviewLettersMax = 100;  // of an error, in the preview of an event

JobOutcome redis_failure(const Error& error) {
  return JobOutcome::failed(kRedisError, error.message());
}

class Summarization {
 public:
  Summarization(const SummarizationSettings& settings, RedisLink& redis, JobHost& host)
      : settings_(settings), redis_(redis), host_(host), model_(settings.chat, host) {}

  JobOutcome run();

 private:
  EarlyEnd over_channel(const ActiveChannel& channel);
  EarlyEnd summarise(const ActiveChannel& channel, const std::vector<CachedMessage>& messages);
  EarlyEnd overall();
  Result<Json> kept_summary(const ActiveChannel& channel);
  EarlyEnd model_failed(const std::string& what, const ChatModel::Failure& failure);
  EarlyEnd store(const std::string& key, const Json& summary);
  Result<std::string> server_time();
  void tell_event(const std::string& status, const std::string& preview, const Json& payload) {
    host_.event({"channel_summarization", kSource, status, preview, dump_json(payload)});
  }
  JobOutcome outcome();

  const SummarizationSettings& settings_;
  RedisLink& redis_;
  JobHost& host_;
  ChatModel model_;
  std::vector<Json> summaries_;
  std::size_t made_ = 0;
  std::size_t unchanged_ = 0;
  std::size_t empty_ = 0;
  std::size_t failed_ = 0;
  std::string last_failure_;
};

Result<std::string> Summarization::server_time() {
  auto time = redis_.command({"TIME"});
  if (!time) return time.error();
  const auto seconds = time->elements.size() == 2 ? parse_moment(time->elements[0].text) : std::nullopt;
  if (!seconds) return Error("TIME: a reply that is none");
  return format_moment(*seconds);
}

// The summary that is there, if it knows all that was said since; null if there is none.
Result<Json> Summarization::kept_summary(const ActiveChannel& channel) {
  if (!settings_.skip_unchanged) return Json(nullptr);
  const auto text = redis_.command({"GET", settings_.summary_prefix + channel.channel_id});
  if (!text) return text.error();
  const auto summary = parse_json(text->text);
  if (!summary || text_member(*summary, "platform") != channel.platform) return Json(nullptr);
  const auto generated_at = parse_moment(text_member(*summary, "generated_at"));
  return generated_at && *generated_at > channel.newest ? *summary : Json(nullptr);
}

EarlyEnd Summarization::model_failed(const std::string& what, const ChatModel::Failure& failure) {
  if (failure.is_stop) return JobOutcome::failed(kStopped, "stopped by request");
  ++failed_;
  last_failure_ = what + ": " + failure.message;
  host_.log(LogLevel::kWarning, last_failure_);
  tell_event("error", "error=" + failure.message.substr(0, kPreviewLettersMax),
             {{"error", failure.message}, {"channel", what}});
  if (failure.is_final) return JobOutcome::failed(kModelError, last_failure_);
  return std::nullopt;
}

EarlyEnd Summarization::store(const std::string& key, const Json& summary) {
  if (auto end = before_change(host_)) return end;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(settings_.ttl).count();
  const auto set = redis_.command({"SET", key, dump_json(summary), "EX", std::to_string(seconds)});
  if (!set) return redis_failure(set.error());
  return std::nullopt;
}

EarlyEnd Summarization::over_channel(const ActiveChannel& channel) {
  auto kept = kept_summary(channel);
  if (!kept) return redis_failure(kept.error());
  if (!kept->is_null()) {
    ++unchanged_;
    summaries_.push_back(std::move(*kept));
    return std::nullopt;
  }
  const auto messages = last_messages(redis_, channel, static_cast<std::size_t>(settings_.messages));
  if (!messages) return redis_failure(messages.error());
  if (!messages->empty()) return summarise(channel, *messages);
  ++empty_;
  return std::nullopt;
}

EarlyEnd Summarization::summarise(const ActiveChannel& channel, const std::vector<CachedMessage>& messages) {
  // Taken before the model is asked: what is said meanwhile is newer than the summary.
  const auto now = server_time();
  if (!now) return redis_failure(now.error());
  const Transcript transcript = make_transcript(messages, static_cast<std::size_t>(settings_.transcript_letters_max));
  const auto answer = model_.ask(kChannelInstructions, transcript.text);
  if (answer.text.empty()) return model_failed(channel.platform + ":" + channel.channel_id, answer.failure);
  Json summary = channel_summary(answer.text, {channel.platform, channel.channel_id, transcript.message_count}, *now);
  if (auto end = store(settings_.summary_prefix + channel.channel_id, summary)) return end;
  ++made_;
  tell_event("ok", "channel=" + channel.platform + ":" + channel.channel_id,
             {{"platform", channel.platform},
              {"channel_id", channel.channel_id},
              {"message_count", transcript.message_count}});
  summaries_.push_back(std::move(summary));
  return std::nullopt;
}

EarlyEnd Summarization::overall() {
  const auto exists = redis_.command({"EXISTS", settings_.overall_key});
  if (!exists) return redis_failure(exists.error());
  if (summaries_.empty() || (made_ == 0 && exists->integer == 1)) return std::nullopt;
  const auto now = server_time();
  if (!now) return redis_failure(now.error());
  const auto answer = model_.ask(kOverallInstructions, overall_question(summaries_));
  if (answer.text.empty()) return model_failed("all channels", answer.failure);
  return store(settings_.overall_key, overall_summary(answer.text, summaries_, *now));
}

// Some summaries are better than none, so the others are made all the same; but the run has failed, and says so.
JobOutcome Summarization::outcome() {
  host_.count("channels", static_cast<double>(made_));
  host_.count("unchanged", static_cast<double>(unchanged_));
  host_.count("questions", model_.asked_count());
  if (empty_ > 0) host_.count("empty", static_cast<double>(empty_));
  if (failed_ > 0) host_.count("failed", static_cast<double>(failed_));
  if (made_ > 0) {
    host_.log(LogLevel::kInfo, "Channel summarization processed " + std::to_string(made_) + " channel(s)");
  }
  if (failed_ == 0) return JobOutcome::ok();
  return JobOutcome::failed(kModelError,
                            std::to_string(failed_) + " of the questions failed; the last: " + last_failure_);
}

JobOutcome Summarization::run() {
  const auto count = static_cast<std::size_t>(settings_.channels);
  const auto channels = active_channels(redis_, settings_.messages_prefix, count, host_);
  if (!channels) return redis_failure(channels.error());
  if (channels->empty() && !host_.stop_requested()) return JobOutcome::skipped("there are no active channels");
  // Before the first question, and its cost: whether what it brings could be stored at all.
  EarlyEnd end = before_change(host_);
  for (std::size_t place = 0; place < channels->size() && !end; ++place) {
    host_.progress(static_cast<double>(place), static_cast<double>(channels->size() + 1), (*channels)[place].key);
    end = host_.stop_requested() ? before_change(host_) : over_channel((*channels)[place]);
  }
  if (!end) end = overall();
  const JobOutcome whole = outcome();
  return end ? *end : whole;
}

bool is_http_url(const std::string& text) {
  const bool is_http = text.starts_with("http://") || text.starts_with("https://");
  return is_http && std::all_of(text.begin(), text.end(), [](char each) { return each > ' ' && each < 0x7f; });
}

void read_chat(SettingsReader& reader, const Json& params, SummarizationSettings* settings) {
  using namespace std::chrono_literals;
  ChatOptions& chat = settings->chat;
  const ModelSetup model = model_setup(params);
  chat.base_url = reader.text("base_url", model.base_url.c_str(), 1, SettingsReader::kTextBytesMax);
  // The key of [openrouter] is for its own endpoint alone.
  const std::string key_file = chat.base_url == model.base_url ? model.api_key_file : "";
  settings->api_key_file = reader.text("api_key_file", key_file.c_str(), 0, SettingsReader::kTextBytesMax);
  chat.model = reader.text("model", "gemini-3-flash-preview", 1);
  chat.temperature = reader.number("temperature", chat.temperature, 0.0, 2.0);
  chat.max_tokens = reader.integer("max_tokens", chat.max_tokens, 1, 1'000'000);
  chat.connect_timeout = reader.duration("connect_timeout", "10s", 10ms, 10min);
  chat.timeout = reader.duration("request_timeout", "2m", 10ms, 1h);
  chat.tries_max = reader.integer("tries", chat.tries_max, 1, 20);
  chat.backoff_min = reader.duration("backoff_min", "1s", 1ms, 1h);
  chat.backoff_max = reader.duration("backoff_max", "1m", 1ms, 1h);
  chat.response_bytes_max = reader.integer("response_bytes_max", chat.response_bytes_max, 1024, 1 << 28);
  if (!chat.base_url.empty() && !is_http_url(chat.base_url)) {
    reader.complain("base_url", "allowed is a URL of http:// or https://");
  }
  if (chat.backoff_max < chat.backoff_min) reader.complain("backoff_max", "must be at least backoff_min");
}

}  // namespace

Result<SummarizationSettings> read_summarization_settings(const Json& params) {
  using namespace std::chrono_literals;
  SummarizationSettings settings;
  SettingsReader reader(params);
  read_chat(reader, params, &settings);
  settings.channels = reader.integer("channels", settings.channels, 1, 1000);
  // A reply of Redis has at most 4096 elements.
  settings.messages = reader.integer("messages", settings.messages, 1, 4000);
  settings.transcript_letters_max =
      reader.integer("transcript_letters_max", settings.transcript_letters_max, 100, 10'000'000);
  settings.messages_prefix = reader.text("messages_prefix", settings.messages_prefix.c_str(), 1);
  settings.summary_prefix = reader.text("summary_prefix", settings.summary_prefix.c_str(), 1);
  settings.overall_key = reader.text("overall_key", settings.overall_key.c_str(), 1);
  settings.ttl = reader.duration("ttl", "7d", 1s, kDurationMax);
  settings.skip_unchanged = reader.flag("skip_unchanged", settings.skip_unchanged);
  if (Status status = reader.finish(); !status) return status.error();
  return settings;
}

JobOutcome channel_summarization(std::string_view text, JobHost& host) {
  const auto params = parse_json(text);
  if (!params) return JobOutcome::failed(kSettingsError, "the run's parameters are no JSON");
  auto settings = read_summarization_settings(*params);
  if (!settings) return JobOutcome::failed(kSettingsError, settings.error().message());
  if (settings->chat.base_url.empty()) {
    return JobOutcome::skipped("there is no language model: neither [openrouter] nor settings.base_url");
  }
  if (!settings->api_key_file.empty()) {
    auto key = read_secret(settings->api_key_file);
    if (!key) return JobOutcome::failed(kSettingsError, "the file of the API key: " + key.error().message());
    settings->chat.api_key = std::move(key).value();
  }
  auto redis = connect_redis(*params);
  if (!redis) return redis_failure(redis.error());
  return Summarization(*settings, *redis, host).run();
}

}  // namespace stargazer::jobs
