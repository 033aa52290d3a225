// One HTTP request with a JSON body, through libcurl: bounded in time and in size, and ended by a stop.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "core/time.h"

namespace stargazer::jobs {

struct HttpPost {
  std::string url;                   // http:// or https://; no redirection is followed
  std::vector<std::string> headers;  // "Name: value", beside Content-Type
  std::string body;
  Duration connect_timeout = std::chrono::seconds(10);
  Duration timeout = std::chrono::seconds(120);  // of all of it
  std::size_t response_bytes_max = std::size_t{4} << 20U;
};

struct HttpAnswer {
  long status = 0;
  std::string body;
  std::optional<Duration> retry_after;  // as the server asks for, at most an hour
};

// Fails when there is no whole answer: no connection, a bad certificate, a time-out, an answer that is too long or cut
// short, and "stopped by request" within about a second of `stopped` becoming true. Any status is an answer.
Result<HttpAnswer> post(const HttpPost& request, const std::function<bool()>& stopped);

}  // namespace stargazer::jobs
