#include "jobs/http_post.h"

#include <algorithm>
#include <curl/curl.h>
#include <memory>

namespace stargazer::jobs {
namespace {

constexpr Duration kRetryAfterMax = std::chrono::hours(1);

struct Transfer {
  const HttpPost& request;
  const std::function<bool()>& stopped;
  std::string body;
  bool too_long = false;
};

std::size_t take_body(const char* bytes, std::size_t /*one*/, std::size_t size, void* to) {
  auto* transfer = static_cast<Transfer*>(to);
  transfer->too_long = transfer->body.size() + size > transfer->request.response_bytes_max;
  if (transfer->too_long) return 0;
  transfer->body.append(bytes, size);
  return size;
}

int may_go_on(void* from, curl_off_t /*to*/, curl_off_t /*down*/, curl_off_t /*of*/, curl_off_t /*up*/) {
  return static_cast<Transfer*>(from)->stopped() ? 1 : 0;
}

long milliseconds(Duration duration) {
  return static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(duration).count());
}

using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

Headers header_list(const HttpPost& request) {
  Headers headers(curl_slist_append(nullptr, "Content-Type: application/json"), &curl_slist_free_all);
  for (const std::string& header : request.headers) {
    curl_slist* longer = curl_slist_append(headers.get(), header.c_str());
    if (longer == nullptr) return {nullptr, &curl_slist_free_all};
    static_cast<void>(headers.release());
    headers.reset(longer);
  }
  return headers;
}

void set_options(CURL* curl, Transfer* transfer, curl_slist* headers) {
  const HttpPost& request = transfer->request;
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);  // others may have threads
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "stargazer-scheduler");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request.connect_timeout));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, milliseconds(request.timeout));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &may_go_on);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
}

Error failure(CURLcode code, const Transfer& transfer) {
  if (code == CURLE_ABORTED_BY_CALLBACK) return Error("stopped by request");
  if (transfer.too_long) {
    return Error("the answer is longer than " + std::to_string(transfer.request.response_bytes_max) + " bytes");
  }
  return Error(curl_easy_strerror(code));
}

}  // namespace

Result<HttpAnswer> post(const HttpPost& request, const std::function<bool()>& stopped) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (ready != CURLE_OK) return Error(curl_easy_strerror(ready)).in("libcurl");
  const Handle curl(curl_easy_init(), &curl_easy_cleanup);
  const Headers headers = header_list(request);
  if (curl == nullptr || headers == nullptr) return Error("libcurl: out of memory");
  Transfer transfer{request, stopped, "", false};
  set_options(curl.get(), &transfer, headers.get());
  if (const CURLcode code = curl_easy_perform(curl.get()); code != CURLE_OK) return failure(code, transfer);

  HttpAnswer answer;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer.status);
  curl_off_t retry_after_s = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RETRY_AFTER, &retry_after_s);
  if (retry_after_s > 0) {
    constexpr curl_off_t kSecondsMax = std::chrono::duration_cast<std::chrono::seconds>(kRetryAfterMax).count();
    answer.retry_after = std::chrono::seconds(std::min(retry_after_s, kSecondsMax));
  }
  answer.body = std::move(transfer.body);
  return answer;
}

}  // namespace stargazer::jobs
