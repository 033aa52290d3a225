// Texts that the jobs in C++ make: queries, transcripts, summaries, and what they take from an endpoint.
#include "jobs/chat_model.h"
#include "jobs/cypher.h"
#include "jobs/summary.h"
#include "jobs/transcript.h"
#include "unit/catch.h"

using namespace stargazer;
using namespace stargazer::jobs;

TEST_CASE("values get into a query as literals", "[jobs_cypher]") {
  CHECK(Cypher("RETURN 1").query() == "RETURN 1");
  Cypher cypher("RETURN $a");
  cypher.with("a", std::int64_t{-5}).with("b", 0.95).with("c", 1.0).with("d", 1e-300).with("e", 1e300);
  cypher.with("f", std::string("it's a \\ \"test\" `")).with("g", std::vector<std::int64_t>{1, 2});
  cypher.with("h", std::vector<std::string>{"a'", "b"}).with("i", std::vector<std::string>{});
  CHECK(cypher.query() ==
        "CYPHER a=-5 b=0.95 c=1.0 d=1e-300 e=1e300 f='it\\'s a \\\\ \"test\" `' g=[1,2] h=['a\\'','b'] i=[] RETURN $a");
  CHECK(Cypher("x").with("a", std::string("a\0b", 3)).query() == "CYPHER a='ab' x");
}

TEST_CASE("a message is one line, whatever it holds", "[jobs_transcript]") {
  CHECK(transcript_line({1795412760.5, "Ann", "12", "34", "33", "hello"}) ==
        "[2026-11-23T05:46:00Z] Ann (user 12, message 34, reply to 33): hello");
  CHECK(transcript_line({0, "", "", "", "", ""}) == "[1970-01-01T00:00:00Z]  (user ): ");
  CHECK(transcript_line({0, "A\nB", "1", "", "", "a\r\n\t\x7f\xff b"}) ==
        "[1970-01-01T00:00:00Z] A B (user 1): a    \xEF\xBF\xBD b");
}

TEST_CASE("a transcript keeps its limit and the latest messages", "[jobs_transcript]") {
  const std::vector<CachedMessage> messages{{0, "A", "1", "", "", "first"}, {1, "A", "1", "", "", "säcond"}};
  const std::size_t line = transcript_line(messages[0]).size() + 1;  // "first" in letters
  CHECK(make_transcript({}, 100).text.empty());
  CHECK(make_transcript(messages, 1000).message_count == 2);
  CHECK(make_transcript(messages, 2 * line + 1).message_count == 2);
  const Transcript one = make_transcript(messages, 2 * line);
  CHECK(one.message_count == 1);
  CHECK(one.text.ends_with("säcond\n"));
  CHECK(make_transcript(messages, 10).text == "[1970-01-\n");
  CHECK(make_transcript(messages, 0).text == "\n");
}

TEST_CASE("the text of an answer, or why there is none", "[jobs_chat]") {
  CHECK(*answer_of(R"({"choices": [{"message": {"content": "hi"}}, 5]})") == "hi");
  const auto [body, expected] = GENERATE(table<const char*, const char*>({
      {"", "the answer is no JSON"},
      {"[1]", "the answer has no choices"},
      {R"({"choices": {}})", "the answer has no choices"},
      {R"({"choices": []})", "the answer has no choices"},
      {R"({"choices": [1]})", "the answer has no text"},
      {R"({"choices": [{"message": {"content": null}}]})", "the answer has no text"},
      {R"({"choices": [{"message": {"content": " \n"}}]})", "the answer is empty"},
  }));
  CHECK(answer_of(body).error().message() == expected);
}

TEST_CASE("the object in an answer", "[jobs_summary]") {
  CHECK(object_in("{\"a\": 1}") == Json{{"a", 1}});
  CHECK(object_in("```json\n{\"a\": {}}\n```") == Json{{"a", Json::object()}});
  CHECK(object_in("").is_null());
  CHECK(object_in("}{").is_null());
  CHECK(object_in("{a}").is_null());
  CHECK(object_in("[1]").is_null());
  CHECK(object_in(std::string(1000, '{') + std::string(1000, '}')).is_null());
}
