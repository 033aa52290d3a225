// A language model behind an OpenAI-compatible endpoint: a question, an answer, and patience in between.
#pragma once

#include <string>

#include "core/result.h"
#include "core/time.h"
#include "jobs/http_post.h"
#include "jobs/job.h"

namespace stargazer::jobs {

struct ChatOptions {
  std::string base_url;  // the request goes to its /chat/completions
  std::string model;
  std::string api_key;  // "" = none; never part of a message, whatever a server repeats of it
  double temperature = 0.3;
  std::int64_t max_tokens = 4096;
  Duration connect_timeout = std::chrono::seconds(10);
  Duration timeout = std::chrono::seconds(120);  // of one try
  std::int64_t tries_max = 4;
  Duration backoff_min = std::chrono::seconds(1);   // doubles with each try
  Duration backoff_max = std::chrono::seconds(60);  // also of what a server asks for by Retry-After
  std::int64_t response_bytes_max = std::int64_t{4} << 20U;
};

// The text of the answer, from a body of HTTP: choices[0].message.content. Fails on anything else, and when it is
// empty.
Result<std::string> answer_of(std::string_view body);

class ChatModel {
 public:
  struct Failure {
    std::string message;
    bool is_final = false;  // the next question will fail as well: it need not be asked
    bool is_stop = false;   // the run is to end
  };
  struct Answer {
    std::string text;
    Failure failure;  // of an empty text
  };

  // `host` must outlive it.
  ChatModel(ChatOptions options, JobHost& host);

  // Asks, and asks again after 408, 429, 5xx, no answer or a useless one: after Retry-After where the server gives one,
  // else after a back-off. Ends early when the run is to end.
  Answer ask(const std::string& instructions, const std::string& text);

  int asked_count() const { return asked_count_; }

 private:
  struct Try {
    std::string text{};
    std::string problem{};  // of an empty text
    bool may_retry = false;
    bool is_final = false;
    std::optional<Duration> retry_after{};
  };

  Try try_once(const HttpPost& request);
  Try judge(const HttpAnswer& answer) const;
  HttpPost request(const std::string& instructions, const std::string& text) const;
  std::string without_key(std::string text) const;
  // False when the run is to end.
  bool pause(Duration duration);

  const ChatOptions options_;
  JobHost& host_;
  int asked_count_ = 0;
};

}  // namespace stargazer::jobs
