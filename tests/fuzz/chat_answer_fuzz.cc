// The body of an answer of a language model's endpoint, whatever it is: what becomes of it is one line of JSON with the
// members that Stargazer's readers expect.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "jobs/chat_model.h"
#include "jobs/summary.h"

namespace {

using namespace stargazer::jobs;

void must(bool holds) {
  if (!holds) std::abort();
}

void must_be_a_line(const Json& summary) {
  const std::string line = dump_json(summary);
  must(line.find('\n') == std::string::npos);
  must(Json::accept(line));
}

void summarise(const std::string& answer) {
  const Json said = object_in(answer);
  must(said.is_null() || said.is_object());
  const Json summary = channel_summary(answer, {"discord", "1", 3}, "2026-11-25T22:10:00Z");
  for (const char* name : {"key_topics", "active_users", "notable_discussions"}) must(summary[name].is_array());
  for (const char* name : {"overview", "mood", "channel_id", "platform"}) must(summary[name].is_string());
  must(summary.contains("raw") == said.is_null());
  must_be_a_line(summary);
  must_be_a_line(overall_summary(answer, {summary, said}, ""));
  must(overall_question({summary, said}).ends_with("\n"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string body(reinterpret_cast<const char*>(data), size);
  const auto answer = answer_of(body);
  must(answer ? !answer->empty() : !answer.error().message().empty());
  summarise(answer ? *answer : body);
  return 0;
}
